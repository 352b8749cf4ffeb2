"""What a new model may replace at its target: only what an earlier merge put there, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checkpoints.side_files import is_tokenizer_file
from engine.errors import MergeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf")
READ_ALONG = ("adapter_config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json")
"""With tokenizer files, what a reader of the model would take for its own."""
SHOWN = 5
"""How many of the files in the way an error names."""


def replaced(
    present: Mapping[str, str | None],
    recorded: Mapping[str, str],
    new: Iterable[str],
    *,
    where: str,
    force: bool,
) -> tuple[str, ...]:
    """Which files give way to the ``new`` ones, of those that are ``present`` with their sha256 (None: not known).

    A file is ours if the earlier merge's ``recorded`` hashes list it with the hash that it has. Others stand in the
    way where the new model has a file of that name, and always where they are weights, tokenizer files or the like:
    readers would mix them up. ``MergeError``
    then names them and ``where`` they are; with ``force`` they give way too.
    """
    wanted = set(new)
    ours = {name for name, sha256 in present.items() if name in recorded and sha256 == recorded[name]}
    foreign = {name for name in present if name not in ours and (name in wanted or would_be_read(name))}
    if foreign and not force:
        raise MergeError(
            f"{where} already holds files that no merge recorded there, or that were changed since: {_some(foreign)}; "
            "choose another place, remove them, or pass --force to replace them"
        )
    return tuple(sorted(ours | foreign))


def would_be_read(name: str) -> bool:
    """Whether a reader of a model takes a file of that name for the model's."""
    return name.endswith(WEIGHTS) or name in READ_ALONG or is_tokenizer_file(name)


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
