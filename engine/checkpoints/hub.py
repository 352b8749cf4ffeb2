"""A checkpoint on the Hub at a commit: headers and weights by ranged requests, nothing stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engine.checkpoints.checkpoint import INDEX, FilePin, Pin, join_headers, parse_json, text_or_none, weight_files
from engine.checkpoints.config import architecture
from engine.checkpoints.header import PREFIX, TensorInfo, header_length, parse_header
from engine.checkpoints.side_files import is_pinned
from engine.errors import ModelError
from engine.hub_errors import not_cached
from engine.interrupts import deferred, results_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from engine.hub_client import Hub, HubFile, HubModel

FIRST_READ = 100_000
"""Bytes of a weight file asked for at first: holds most headers, as the Hub's own client found."""
ENTRY = 128
"""Bytes of a header that tell of one tensor beside its name: about 90, for shapes and offsets of twelve digits."""
CONNECTIONS = 8
CARD = "README.md"


class HubCheckpoint:
    """A Hub repo at ``commit``, or else at what ``revision`` means now.

    Opening it reads the config, the index and the headers.
    """

    remote = True

    def __init__(self, ref: str, hub: Hub, repo: str, revision: str | None, commit: str | None = None) -> None:
        model = hub.model(repo, commit or revision)
        self._hub, self._repo, self._commit = hub, repo, model.commit
        files = {file.name: file for file in model.files}
        if "config.json" not in files:
            raise ModelError(f"{ref} has no config.json; name a repo that holds a model for transformers")
        if INDEX in model.absent:
            _stop_where_absent(model, model.absent)  # any of them may be the model's
        index = self._json(INDEX) if INDEX in files else None
        weights = weight_files({name: file.size for name, file in files.items()}, ref, index)
        _stop_where_absent(model, weights)
        self.config: Mapping[str, Any] = self._json("config.json")
        small = [files[name].size for name in ("config.json", INDEX) if name in files]
        firsts = _first_reads(weights, index).items()
        with deferred(), ThreadPoolExecutor(CONNECTIONS) as pool:
            reading = [pool.submit(self._header, name, files[name].size, first) for name, first in firsts]
            read = results_of(reading)
        self.header_bytes = sum(small) + sum(nbytes for _, nbytes in read)
        self.tensors: Mapping[str, TensorInfo] = join_headers([header for header, _ in read], ref, index)
        self.pin = Pin(
            ref=ref,
            kind="hub",
            repo=repo,
            revision=revision,
            commit=model.commit,
            files=tuple(_file_pin(f) for f in model.files if is_pinned(f.name, weights)),
            license=text_or_none(model.card.get("license")),
            license_name=text_or_none(model.card.get("license_name")),
            license_link=text_or_none(model.card.get("license_link")),
            gated=model.gated,
            private=model.private,
            architecture=architecture(self.config),
            parameters=sum(info.size for info in self.tensors.values()),
        )

    def read(self, tensor: TensorInfo, begin: int, out: memoryview) -> None:
        """Fill ``out`` with the tensor's bytes from ``begin`` on, in one ranged request."""
        self._hub.read(self._repo, self._commit, tensor.file, tensor.begin + begin, out)

    def side_file(self, name: str) -> bytes:
        """Read a whole file."""
        return self._hub.read_file(self._repo, self._commit, name)

    def close(self) -> None:
        """Nothing is kept open here: connections belong to the client."""

    def _json(self, name: str) -> dict[str, Any]:
        return parse_json(self.side_file(name), f"{self._repo}/{name}")

    def _header(self, name: str, size: int, first: int) -> tuple[dict[str, TensorInfo], int]:
        """Read the header of a weight file, ``first`` bytes at first; tells too how many bytes that took."""
        start = self._range(name, 0, min(first, size))
        length = header_length(start[:PREFIX], f"{self._repo}/{name}", size)
        rest = PREFIX + length - len(start)
        if rest > 0:
            start += self._range(name, len(start), rest)
        header = parse_header(start[PREFIX : PREFIX + length], f"{self._repo}/{name}", name, size)
        return header, len(start)

    def _range(self, name: str, begin: int, length: int) -> bytes:
        buffer = bytearray(length)
        self._hub.read(self._repo, self._commit, name, begin, memoryview(buffer))
        return bytes(buffer)


def _first_reads(weights: Sequence[str], index: Mapping[str, Any] | None) -> dict[str, int]:
    """Bytes of each weight file to ask for at first: where there is an index, as many as its tensors should take."""
    if index is None:
        return dict.fromkeys(weights, FIRST_READ)
    expected = dict.fromkeys(weights, ENTRY)  # its metadata
    for tensor, name in index["weight_map"].items():
        expected[name] += len(tensor) + ENTRY
    return {name: min(nbytes, FIRST_READ) for name, nbytes in expected.items()}


def _stop_where_absent(model: HubModel, weights: Container[str]) -> None:
    """Stop where a file is absent that is merged, pinned, or tells the licence (the card)."""
    absent = [name for name in model.absent if name == CARD or is_pinned(name, weights)]
    if absent:
        raise not_cached(model.repo, model.commit, absent)


def _file_pin(file: HubFile) -> FilePin:
    return FilePin(file.name, file.size, f"sha256:{file.sha256}" if file.sha256 else f"git:{file.blob_id}")
