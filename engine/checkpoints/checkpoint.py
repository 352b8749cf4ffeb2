"""The one idea that carries the rest: a checkpoint is a config, side files and named tensors.

Its headers are known at once; its bytes are read later, by range.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from engine.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.checkpoints.header import TensorInfo

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class FilePin:
    """A file of a parent, pinned.

    ``hash`` says what it is a hash of: ``sha256:…`` the content, ``git:…`` git's blob id, ``header-sha256:…`` the
    safetensors header alone (local weights above 64 MB).
    """

    name: str
    size: int
    hash: str


@dataclass(frozen=True)
class Pin:
    """One model of a lock: what exactly a reference meant. ``commit`` is None for a local folder."""

    ref: str
    kind: Literal["local", "hub"]
    repo: str | None
    revision: str | None
    commit: str | None
    files: tuple[FilePin, ...]
    license: str | None
    license_name: str | None
    license_link: str | None
    gated: bool
    private: bool
    architecture: str
    parameters: int


class Checkpoint(Protocol):
    """Anything that yields a config, side files and named tensors."""

    @property
    def pin(self) -> Pin:
        """What it is, exactly."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Its ``config.json``; never to be changed."""
        ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Its tensors by name, in the order of its files."""
        ...

    @property
    def header_bytes(self) -> int:
        """Bytes that were read to know all this, config and index included."""
        ...

    @property
    def remote(self) -> bool:
        """Whether reading costs a request."""
        ...

    def read(self, tensor: TensorInfo, begin: int, out: memoryview) -> None:
        """Fill ``out`` with the tensor's bytes from ``begin`` on (relative to the tensor)."""
        ...

    def side_file(self, name: str) -> bytes:
        """Read a whole file that is not a weight."""
        ...

    def close(self) -> None:
        """Give back what reading opened; reading again opens it again."""
        ...


def weight_files(names: Mapping[str, int], where: str, index: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Which files hold the weights, in the order of the index, or the one file that there is.

    ``names`` are the files with their sizes, ``index`` the parsed index where there is one. ``ModelError`` where
    nothing fits, or where the index names a file that is missing or lies elsewhere.
    """
    if index is not None:
        return _indexed(names, where, index)
    if SINGLE in names:
        return (SINGLE,)
    single = [name for name in names if name.endswith(".safetensors") and "/" not in name]
    if len(single) == 1:
        return (single[0],)
    if single:
        raise ModelError(f"{where} has {len(single)} safetensors files and no {INDEX}; add the index")
    if any(name.endswith(PICKLES) for name in names):
        raise ModelError(f"{where} has its weights as pickles only, which are not read; convert it to safetensors")
    raise ModelError(f"{where} has no weights: expected {SINGLE} or {INDEX}")


def _indexed(names: Mapping[str, int], where: str, index: Mapping[str, Any]) -> tuple[str, ...]:
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{where}: {INDEX} has no weight_map; upload the index again")
    files = tuple(dict.fromkeys(weight_map.values()))
    for file in files:
        if not isinstance(file, str) or "/" in file or "\\" in file or file in {"", ".", ".."}:
            raise ModelError(f"{where}: {INDEX} names the file {file!r}, which is not a plain file name")
        if file not in names:
            raise ModelError(f"{where}: {INDEX} names {file}, which is missing; upload it")
    return files


def join_headers(
    headers: list[dict[str, TensorInfo]], where: str, index: Mapping[str, Any] | None
) -> dict[str, TensorInfo]:
    """Put the headers of all weight files together; ``ModelError`` for a tensor twice or one that is missing."""
    tensors: dict[str, TensorInfo] = {}
    for header in headers:
        for name, info in header.items():
            if name in tensors:
                raise ModelError(f"{where}: tensor {name!r} is in {tensors[name].file} and in {info.file}")
            tensors[name] = info
    for name, file in (index or {}).get("weight_map", {}).items():
        if name not in tensors or tensors[name].file != file:
            raise ModelError(f"{where}: {INDEX} says that {file} holds {name!r}, which it does not")
    return tensors


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object; ``ModelError`` names the file."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{where} is not valid JSON ({error}); upload it again") from None
    except RecursionError:
        raise ModelError(f"{where} is not valid JSON (nested too deeply); upload it again") from None
    if not isinstance(value, dict):
        raise ModelError(f"{where} is not a JSON object; upload it again")
    return value


def text_or_none(value: object) -> str | None:
    """A card's value where it is text: what its front matter holds may be anything."""
    return value if isinstance(value, str) else None
