"""Contents on disk, each once, named by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from engine.devhub import git
from engine.devhub.schema import Entry

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 10_000_000
"""Bytes above which a file is kept as LFS, whatever its name."""
_LARGE_SUFFIXES = [
    ".7z",
    ".arrow",
    ".bin",
    ".bz2",
    ".ckpt",
    ".ftz",
    ".gz",
    ".h5",
    ".joblib",
    ".mlmodel",
    ".model",
    ".msgpack",
    ".npy",
    ".npz",
    ".onnx",
    ".ot",
    ".parquet",
    ".pb",
    ".pickle",
    ".pkl",
    ".pt",
    ".pth",
    ".rar",
    ".safetensors",
    ".tar",
    ".tflite",
    ".tgz",
    ".wasm",
    ".xz",
    ".zip",
    ".zst",
]
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LARGE_SUFFIXES).encode()
"""The .gitattributes that a new repo starts with, as on the Hub."""


def wants_lfs(name: str, size: int) -> bool:
    """Tell whether a file goes to LFS: by its ending, or above 10 MB. Never an empty one."""
    return size > 0 and (size > LARGE or name.endswith(tuple(_LARGE_SUFFIXES)))


class Blobs:
    """A folder of contents. Writing is atomic, and writing the same content again is free."""

    def __init__(self, root: Path) -> None:
        self._root = root / "blobs"
        self.incoming = root / "incoming"
        self._root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.incoming, ignore_errors=True)  # what a server that was killed left
        self.incoming.mkdir()

    def path(self, sha256: str) -> Path:
        """Return where the content lies, or would."""
        return self._root / sha256[:2] / sha256

    def new_file(self) -> tuple[int, Path]:
        """Return an open descriptor and the path of an empty file, to be filled and then kept."""
        descriptor, name = tempfile.mkstemp(dir=self.incoming)
        return descriptor, self.incoming / name.rsplit("/", 1)[-1]

    def keep(self, sha256: str, file: Path) -> None:
        """Move a file of ``incoming`` in under its hash, which the caller has computed."""
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        file.replace(target)

    def add(self, content: bytes) -> str:
        """Store bytes and return their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.path(sha256).exists():
            descriptor, file = self.new_file()
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
            self.keep(sha256, file)
        return sha256

    def add_file(self, source: Path) -> str:
        """Store a file by a hard link, or by a copy where links cannot be; return its SHA-256.

        The link shares the content, so the source must not be changed in place afterwards.
        """
        with source.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        if not self.path(sha256).exists():
            descriptor, file = self.new_file()
            os.close(descriptor)
            file.unlink()
            try:
                os.link(source.resolve(), file)
            except OSError:
                shutil.copyfile(source, file)
            self.keep(sha256, file)
        return sha256

    def entry(self, name: str, sha256: str) -> Entry:
        """Describe a stored content as the file ``name`` of a commit."""
        size = self.path(sha256).stat().st_size
        return self.large_entry(sha256) if wants_lfs(name, size) else self.regular_entry(sha256)

    def large_entry(self, sha256: str) -> Entry:
        """Describe a stored content as an LFS file."""
        size = self.path(sha256).stat().st_size
        return Entry(size, sha256, lfs=True, oid=git.object_hash("blob", git.pointer(sha256, size)))

    def regular_entry(self, sha256: str) -> Entry:
        """Describe a stored content as a file in git itself."""
        content = self.path(sha256).read_bytes()
        return Entry(len(content), sha256, lfs=False, oid=git.object_hash("blob", content))
