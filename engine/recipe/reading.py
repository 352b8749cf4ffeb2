"""What one reading of a recipe collects, and how it reads the simple things: mappings, lists, texts, booleans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings import error, note
from engine.recipe.keys import SCOPES, nearest, parameter_homes
from engine.recipe.text import BROKEN, Leaf

if TYPE_CHECKING:
    from engine.findings import Finding, Place
    from engine.recipe.places import Places
    from engine.recipe.text import Tree
    from engine.recipe.values import Path

LONGEST_SHOWN = 60


class Reading:
    """Findings so far, and the parts that some finding already tells of (so that no other follows from it)."""

    def __init__(self, places: Places, findings: list[Finding]) -> None:
        self.places = places
        self.findings = findings
        self._broken: set[Path] = set()
        self._above: set[Path] = set()
        self._parents: set[Path] = set()

    def error(self, identity: str, message: str, fix: str, place: Place) -> None:
        """Tell of a mistake."""
        self.findings.append(error(identity, message, fix, place))

    def note(self, identity: str, message: str, fix: str, place: Place) -> None:
        """Tell of something that is good to know."""
        self.findings.append(note(identity, message, fix, place))

    def breaks(self, at: Path) -> None:
        """Remember that this part was meant, and could not be understood."""
        self._broken.add(at)
        self._parents.add(at[:-1])
        self._above.update(at[:length] for length in range(len(at)))

    def unsure(self, at: Path) -> bool:
        """Whether this part, or something that it stands in or that stands in it, could not be understood."""
        return at in self._above or any(at[:length] in self._broken for length in range(len(at) + 1))

    def lost_items(self, at: Path) -> bool:
        """Whether a list, or an item of it, could not be understood, so that its length says nothing."""
        return at in self._broken or at in self._parents

    def wrong(self, at: Path, tree: Tree, expected: str, fix: str) -> None:
        """Tell of a part that is something else than was expected."""
        if tree is not BROKEN:
            message = f"{named(at)} is {described(tree)}, expected {expected}"
            self.error("wrong-type", message, fix, self.places.value(at))
        self.breaks(at)

    def fields(self, at: Path, tree: Tree, scope: str) -> dict[str, Tree]:
        """Read a mapping: its known keys that have a value. Tells of every other key."""
        if not isinstance(tree, dict):
            self.wrong(at, tree, "a mapping", f"write its keys, such as `{next(iter(SCOPES[scope].keys))}: …`")
            return {}
        known = {}
        for name, value in tree.items():
            if name not in SCOPES[scope].keys:
                self._unknown(at, name, value, scope)
            elif value is BROKEN:
                self.breaks((*at, name))
            elif not _is_null(value):
                known[name] = value
        return known

    def _unknown(self, at: Path, name: str, value: Tree, scope: str) -> None:
        place = self.places.key((*at, name))
        sentence = SCOPES[scope].unbuilt.get(name)
        if sentence is None:
            fix, meant = self._advice(at, name, scope)
            if meant is not None:
                self.breaks(meant)
            self.error("unknown-key", f"{quoted(name)} is no key of {SCOPES[scope].owner}", fix, place)
        elif not _is_null(value):
            self.error("not-built", f"`{name}` ({sentence}) is not built yet", "remove it", place)

    def _advice(self, at: Path, name: str, scope: str) -> tuple[str, Path | None]:
        """Say what to do about an unknown key, and which part was meant by it."""
        here = SCOPES[scope].keys
        close = nearest(name, here, cutoff=0.9)
        if close is None:
            found = self._as_parameter(at, name, scope) if "parameters" in here else None
            if found is not None:
                return found
            if scope == "slice" and name in SCOPES["source"].keys:
                return "put it under this slice's `sources:`", (*at, "sources")
            home = next((other for other, keys in SCOPES.items() if name in keys.keys), None)
            if home is not None:
                return f"it belongs {SCOPES[home].home}", (*at, "model") if home == "path" else (name,)
            close = nearest(name, here)
        if close is not None:
            return f"did you mean `{close}`?", (*at, close)
        return f"there are {', '.join(here)}", None

    def _as_parameter(self, at: Path, name: str, scope: str) -> tuple[str, Path] | None:
        """Advise on a key that is a parameter, outside of any `parameters:`, perhaps misspelt."""
        own, whole = parameter_homes()
        meant = name if name in own | whole else nearest(name, sorted(own | whole), cutoff=0.8)
        if meant is None:
            return None
        asked = "" if meant == name else f"did you mean `{meant}`? "
        if scope in ("entry", "source") and meant in whole:
            return f"{asked}put it under the recipe's `parameters:`", ("parameters", meant)
        block = "`parameters:`" if scope in ("recipe", "slice") else "this model's `parameters:`"
        return f"{asked}put it under {block}", (*at, "parameters", meant)

    def items(self, at: Path, tree: Tree, example: str) -> list[Tree] | None:
        """Read a list of at least one item."""
        if not isinstance(tree, list):
            self.wrong(at, tree, "a list", f"write each item as `- {example}`")
        elif not tree:
            self.error("empty-list", f"{named(at)} is empty", f"add a `- {example}`", self.places.key(at))
            self.breaks(at)
        else:
            return tree
        return None

    def text(self, at: Path, tree: Tree, *, lines: bool = False) -> str | None:
        """Read a text, as it is written: ``no`` and ``1.0`` are texts here. ``lines`` allows several."""
        if not isinstance(tree, Leaf):
            self.wrong(at, tree, "a text", "write it in one line")
        elif not tree.text.strip():
            self.wrong(at, tree, "a text", "write one, or remove the key")
        elif not lines and not tree.text.isprintable():
            self.wrong(at, tree, "one line", "remove line breaks and control characters")
        else:
            return tree.text
        return None

    def texts(self, at: Path, tree: Tree) -> tuple[str, ...]:
        """Read a list of texts; those that are none are left out."""
        if not isinstance(tree, list):
            self.wrong(at, tree, "a list of texts", "write it as `[one, two]`")
            return ()
        texts = [self.text((*at, index), item) for index, item in enumerate(tree)]
        return tuple(text for text in texts if text is not None)

    def boolean(self, at: Path, tree: Tree) -> bool | None:
        """Read true or false."""
        if isinstance(tree, Leaf) and isinstance(tree.value, bool):
            return tree.value
        self.wrong(at, tree, "true or false", "write `true` or `false`")
        return None


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, Leaf) and tree.value is None


def named(at: Path) -> str:
    """Name a part in a message."""
    if not at:
        return "the recipe"
    if isinstance(at[-1], int):
        return f"item {at[-1] + 1} of {quoted(str(at[-2]))}"
    return quoted(at[-1])


def described(tree: Tree) -> str:
    """Say in a message what a part is."""
    if isinstance(tree, list):
        return "a list"
    if isinstance(tree, dict):
        return "a mapping"
    if isinstance(tree, Leaf) and tree.value is not None and tree.text:
        return f"the text {quoted(tree.text)}" if isinstance(tree.value, str) else quoted(tree.text)
    return "empty"


def quoted(text: str) -> str:
    """Quote what the recipe says: in one line, printable and short."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode()
    return f"`{plain[: LONGEST_SHOWN - 1]}…`" if len(plain) > LONGEST_SHOWN else f"`{plain}`"
