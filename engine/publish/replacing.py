"""What a new model may replace at its target: only what an earlier merge put there, unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import MergeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf")


@dataclass(frozen=True)
class Replacement:
    """``remove`` are files of the earlier merge that the new model does not have; ``foreign`` stand in the way."""

    remove: tuple[str, ...]
    foreign: tuple[str, ...]


def replacement(present: Mapping[str, str | None], recorded: Mapping[str, str], new: Iterable[str]) -> Replacement:
    """Decide, from the files that are ``present`` at the target with their hashes (None: not known).

    A file is ours if the earlier ``recorded`` hashes list it with the hash that it has; the record itself is. Others
    stand in the way where the new model has a file of that name, and weights always: readers would mix them up.
    """
    wanted = set(new)
    ours = {name for name, sha256 in present.items() if name in recorded and sha256 == recorded[name]}
    foreign = [name for name in present if name not in ours and (name in wanted or name.endswith(WEIGHTS))]
    return Replacement(tuple(sorted(ours - wanted)), tuple(sorted(foreign)))


def refuse_foreign(foreign: Iterable[str], where: str) -> None:
    """Raise ``MergeError`` that names what stands in the way."""
    names = sorted(foreign)
    if not names:
        return
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise MergeError(
        f"{where} already holds files that no merge recorded there, or that were changed since: {shown}; "
        "choose another place, remove them, or pass --force to replace them"
    )
