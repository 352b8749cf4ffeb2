"""A checkpoint in a local folder, read by position into buffers: no file is mapped or loaded whole."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any

import yaml

from engine.checkpoints.checkpoint import INDEX, FilePin, Pin, join_headers, parse_json, text_or_none, weight_files
from engine.checkpoints.config import architecture
from engine.checkpoints.header import PREFIX, TensorInfo, header_length, parse_header
from engine.checkpoints.side_files import is_pinned
from engine.errors import MergeError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_HASHED = 64 * 1024 * 1024
"""Bytes of a weight file up to which its whole content is hashed for the pin."""


class LocalCheckpoint:
    """A folder with ``config.json`` and safetensors files. Opening it reads headers and small files only."""

    remote = False

    def __init__(self, ref: str, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}
        self._lock = threading.Lock()
        self._states = {path.name: _state(path.stat()) for path in sorted(folder.iterdir()) if path.is_file()}
        sizes = {name: size for name, (size, _) in self._states.items()}
        if "config.json" not in sizes:
            raise ModelError(f"the folder {ref} has no config.json; name a folder that holds a model")
        self.config: Mapping[str, Any] = self._json("config.json")
        index = self._json(INDEX) if INDEX in sizes else None
        weights = weight_files(sizes, ref, index)
        headers = {name: self._header(name, sizes[name]) for name in weights}
        parsed = [parse_header(headers[name], f"{ref}/{name}", name, sizes[name]) for name in weights]
        self.tensors: Mapping[str, TensorInfo] = join_headers(parsed, ref, index)
        self.header_bytes = sum(PREFIX + len(text) for text in headers.values())
        self.header_bytes += sizes["config.json"] + (sizes[INDEX] if index is not None else 0)
        pinned = {name: size for name, size in sizes.items() if is_pinned(name, weights)}
        files = tuple(FilePin(name, size, self._hash(name, size, headers)) for name, size in pinned.items())
        card = _front_matter(folder / "README.md")
        self.pin = Pin(
            ref=ref,
            kind="local",
            repo=None,
            revision=None,
            commit=None,
            files=files,
            license=text_or_none(card.get("license")),
            license_name=text_or_none(card.get("license_name")),
            license_link=text_or_none(card.get("license_link")),
            gated=False,
            private=False,
            architecture=architecture(self.config),
            parameters=sum(info.size for info in self.tensors.values()),
        )

    def read(self, tensor: TensorInfo, begin: int, out: memoryview) -> None:
        """Fill ``out`` with the tensor's bytes from ``begin`` on; ``MergeError`` where the file is another by now."""
        file, position, done = self._open(tensor.file), tensor.begin + begin, 0
        while done < len(out):
            count = os.preadv(file, [out[done:]], position + done)
            if count == 0:
                raise MergeError(
                    f"{self._folder / tensor.file} ended early: it was changed while it was read; run again"
                )
            done += count

    def side_file(self, name: str) -> bytes:
        """Read a whole file."""
        return (self._folder / name).read_bytes()

    def close(self) -> None:
        """Close what was opened for reading; reading again opens it again."""
        with self._lock:
            for file in self._files.values():
                os.close(file)
            self._files.clear()

    def _open(self, name: str) -> int:
        with self._lock:
            if name not in self._files:
                self._files[name] = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
                # Offsets come from the header that was read when the folder was opened.
                if _state(os.fstat(self._files[name])) != self._states[name]:
                    raise MergeError(f"{self._folder / name} was changed after the merge was planned; run again")
            return self._files[name]

    def _json(self, name: str) -> dict[str, Any]:
        return parse_json((self._folder / name).read_bytes(), f"{self._folder / name}")

    def _header(self, name: str, size: int) -> bytes:
        with (self._folder / name).open("rb") as file:
            return file.read(header_length(file.read(PREFIX), f"{self._folder / name}", size))

    def _hash(self, name: str, size: int, headers: Mapping[str, bytes]) -> str:
        if name in headers and size > LARGEST_HASHED:
            return "header-sha256:" + hashlib.sha256(headers[name]).hexdigest()
        with (self._folder / name).open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _state(status: os.stat_result) -> tuple[int, int]:
    """Size and time of change: what tells a file from its successor."""
    return status.st_size, status.st_mtime_ns


def _front_matter(readme: Path) -> Mapping[str, Any]:
    """YAML block at the top of a card; empty where there is none that can be read."""
    if not readme.is_file():
        return {}
    text = readme.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return {}
    try:
        data = yaml.safe_load(text[4 : text.index("\n---", 3)])
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}
