"""`name:` and `publish:` → where the result goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.recipe.reading import quoted
from engine.recipe.text import Leaf
from engine.recipe.values import Publish

if TYPE_CHECKING:
    from engine.recipe.reading import Reading
    from engine.recipe.text import Tree
    from engine.recipe.values import Path

# as huggingface_hub checks repo names before it asks the Hub
_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
MAX_NAME = 96
RULE = (
    f"letters, digits, `-`, `_` and `.`; no `--` or `..`, no `-` or `.` at either end, no `.git` at the end, "
    f"at most {MAX_NAME} characters"
)


def read_name(reading: Reading, at: Path, tree: Tree) -> str | None:
    """Read the result's name, which must do as a repo's."""
    return _name(reading, at, tree, "a model on the Hub")


def read_stage_name(reading: Reading, at: Path, tree: Tree) -> str | None:
    """Read the name of one of several documents: no stage's can be taken for a path or for ``namespace/name``."""
    return _name(reading, at, tree, "a stage, or of a model on the Hub")


def _name(reading: Reading, at: Path, tree: Tree, owner: str) -> str | None:
    name = reading.text(at, tree)
    if name is None or _is_part(name):
        return name
    message = f"{quoted(name)} cannot be the name of {owner}"
    reading.error("bad-name", message, f"a name has {RULE}", reading.places.value(at))
    return None


def is_repo(text: str) -> bool:
    """Whether this can be the name of a repo on the Hub, as ``namespace/name``."""
    parts = text.split("/")
    return len(parts) == 2 and all(_is_part(part) for part in parts)


def _repo(reading: Reading, at: Path, tree: Tree) -> str | None:
    repo = reading.text(at, tree)
    if repo is None:
        return None
    if is_repo(repo):
        return repo
    message = f"{quoted(repo)} is no repo on the Hub, expected `namespace/name`"
    fix = f"in each part: {RULE}" if repo.count("/") == 1 else "write it as `namespace/name`"
    reading.error("bad-repo", message, fix, reading.places.value(at))
    return None


def _is_part(text: str) -> bool:
    fits = _PART.fullmatch(text) is not None and len(text) <= MAX_NAME
    return fits and "--" not in text and ".." not in text and not text.endswith(".git")


def read_publish(reading: Reading, at: Path, tree: Tree) -> Publish:
    """Read the block, key by key."""
    fields = reading.fields(at, tree, "publish")

    def text(key: str, *, lines: bool = False) -> str | None:
        return reading.text((*at, key), fields[key], lines=lines) if key in fields else None

    if "license_name" in fields and str(text("license")).lower() != "other":
        place = reading.places.key((*at, "license_name"))
        message = "`license_name` names a licence that the Hub has no identifier for"
        reading.error("license-name", message, "say `license: other` beside it, or remove it", place)
    return Publish(
        repo=_repo(reading, (*at, "repo"), fields["repo"]) if "repo" in fields else None,
        private=reading.boolean((*at, "private"), fields["private"]) if "private" in fields else None,
        license=text("license"),
        license_name=text("license_name"),
        tags=reading.texts((*at, "tags"), fields["tags"]) if "tags" in fields else (),
        language=_languages(reading, (*at, "language"), fields),
        description=text("description", lines=True),
    )


def _languages(reading: Reading, at: Path, fields: dict[str, Tree]) -> tuple[str, ...]:
    """Read one language or a list; ``no`` is Norwegian here, whatever YAML makes of it."""
    tree = fields.get("language", [])
    return reading.texts(at, [tree] if isinstance(tree, Leaf) else tree)
