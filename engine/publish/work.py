"""The folder that a run works in: its own while it runs, and emptied by whoever comes after a run that was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import MergeError

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = "claim"
CREATED = "created"
"""A file that outlives a run that failed: the commit that the target had when this run created it."""


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """Give the folder ``name`` among the system's temporary files, empty, and remove it afterwards.

    The same work gets the same name, so that what a killed run left does not fill the disk; only its note ``CREATED``
    is kept until a run ends well. ``MergeError`` where another process works there, or where the folder is another
    user's.
    """
    folder = Path(tempfile.gettempdir()) / name
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise MergeError(f"{folder} is somebody else's; name another folder for temporary files with TMPDIR")
    claimed = claim(folder, f"another run publishes this model from this machine, in {folder}; wait until it has ended")
    try:
        _empty(folder)
        yield folder
        (folder / CREATED).unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # what cannot be removed, the next run tries to
            _empty(folder)
        if not (folder / CREATED).exists():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(claimed)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in {CLAIM, CREATED}:
            path.unlink()


def claim(work: Path, refusal: str) -> int:
    """Take a folder for this process until it ends or closes this file; ``MergeError`` where another one has it."""
    file = os.open(work / CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise MergeError(refusal) from None
    return file
