"""Who may import whom, read from import statements, and who may read the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("engine", "bot", "space")

# room → what no module in it imports, be it inside a function or for types alone
NEVER = {
    "engine": ("bot", "space"),
    "bot": ("space",),
    "space": ("bot",),
    "engine.devhub": ("torch", "huggingface_hub"),
}
# room → what importing it never loads, through whatever module of ours
NEVER_LOADED = {
    "engine.recipe": ("torch", "gradio", "huggingface_hub"),
    "engine.plan": ("torch", "gradio", "huggingface_hub"),
    "engine.devhub": ("torch", "huggingface_hub"),
}
USES_DBOS = "engine.jobs"
CALLS_THE_HUB = "engine.hub_client"
READ_THE_ENVIRONMENT = ("engine.cli", "engine.hub_client", "bot.main", "space.main", "space.local")


@dataclass(frozen=True)
class Import:
    """One imported name; ``loaded`` says that importing the module imports it at once."""

    name: str
    loaded: bool


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    imports: tuple[Import, ...]


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def statements(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements right inside a compound one: bodies, else branches, handlers, cases."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.excepthandler | ast.match_case):
            yield from statements(child)


def imports_in(body: Iterable[ast.stmt], package: list[str], *, loaded: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, loaded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield Import(source, loaded)
            yield from (Import(f"{source}.{alias.name}", loaded) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from imports_in(node.body, package, loaded=False)
            yield from imports_in(node.orelse, package, loaded=loaded)
        else:
            at_once = loaded and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports_in(statements(node), package, loaded=at_once)


def read_modules(root: Path) -> dict[str, Module]:
    modules = {}
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        package = list(parts[:-1])
        name = ".".join(package if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        modules[name] = Module(name, tree, tuple(imports_in(tree.body, package, loaded=True)))
    return modules


def loads(modules: dict[str, Module], start: str) -> dict[str, tuple[str, ...]]:
    """Everything that importing ``start`` imports, each with the way there; packages load before modules."""
    ways: dict[str, tuple[str, ...]] = {}
    waiting = [(start, ())]
    while waiting:
        name, way = waiting.pop(0)
        if name in ways:
            continue
        ways[name] = way
        parents = [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
        waiting += [(parent, way) for parent in parents]
        if name in modules:
            waiting += [(found.name, (*way, name)) for found in modules[name].imports if found.loaded]
    return ways


def forbidden_imports(module: Module) -> Iterator[str]:
    in_engine = within(module.name, "engine")
    for found in module.imports:
        says = f"{module.name} imports {found.name}: "
        of_engine = within(found.name, "engine")
        for room, names in NEVER.items():
            if within(module.name, room) and any(within(found.name, name) for name in names):
                yield f"{says}not in {room}"
        if in_engine and not within(module.name, CALLS_THE_HUB) and within(found.name, "huggingface_hub"):
            yield f"{says}only {CALLS_THE_HUB} may"
        if within(found.name, "dbos") and not within(module.name, USES_DBOS):
            yield f"{says}only {USES_DBOS} may"
        beyond = of_engine and found.name != "engine" and not within(found.name, "engine.methods")
        if within(module.name, "engine.methods") and beyond:
            yield f"{says}a method knows its contract and its siblings"
        if not in_engine and of_engine and any(part.startswith("_") for part in found.name.split(".")):
            yield f"{says}not a public name"


def forbidden_loads(modules: dict[str, Module]) -> Iterator[str]:
    for room, names in NEVER_LOADED.items():
        for module in modules:
            if within(module, room):
                for found, way in loads(modules, module).items():
                    if found in names:
                        yield f"{' → '.join((*way, found))}: not in {room}"


def environment_reads(module: Module) -> Iterator[str]:
    if module.name in READ_THE_ENVIRONMENT:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"):
            yield f"{module.name}:{node.lineno} reads {ast.unparse(node)}: only main() does"
    for found in module.imports:
        if found.name in ("os.environ", "os.environb", "os.getenv"):
            yield f"{module.name} imports {found.name}: only main() reads the environment"


def violations(root: Path) -> list[str]:
    modules = read_modules(root)
    found = list(forbidden_loads(modules))
    for module in modules.values():
        found += [*forbidden_imports(module), *environment_reads(module)]
    return sorted(set(found))


def test_the_project_keeps_its_rules() -> None:
    assert violations(ROOT) == []


def test_the_project_is_seen() -> None:
    assert {"engine.errors", "engine.methods.contract", "engine.plan", "bot", "space"} <= set(read_modules(ROOT))


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("engine/a.py", "import bot", ["engine.a imports bot: not in engine"]),
        ("engine/a.py", "def f():\n    from space import app", [
            "engine.a imports space.app: not in engine",
            "engine.a imports space: not in engine",
        ]),
        ("bot/a.py", "from space import app", [
            "bot.a imports space.app: not in bot",
            "bot.a imports space: not in bot",
        ]),
        ("space/a.py", "import bot.events", ["space.a imports bot.events: not in space"]),
        ("bot/a.py", "from engine.cli import _main", ["bot.a imports engine.cli._main: not a public name"]),
        ("space/a.py", "import engine._x", ["space.a imports engine._x: not a public name"]),
        ("engine/methods/a.py", "from engine.recipe.x import y", [
            "engine.methods.a imports engine.recipe.x.y: a method knows its contract and its siblings",
            "engine.methods.a imports engine.recipe.x: a method knows its contract and its siblings",
        ]),
        ("engine/methods/a.py", "from engine import errors", [
            "engine.methods.a imports engine.errors: a method knows its contract and its siblings",
        ]),
        ("engine/methods/a.py", "from ..errors import E", [
            "engine.methods.a imports engine.errors.E: a method knows its contract and its siblings",
            "engine.methods.a imports engine.errors: a method knows its contract and its siblings",
        ]),
        ("engine/a.py", "import huggingface_hub", [
            "engine.a imports huggingface_hub: only engine.hub_client may",
        ]),
        ("engine/a.py", "def f():\n    from dbos import DBOS", [
            "engine.a imports dbos.DBOS: only engine.jobs may",
            "engine.a imports dbos: only engine.jobs may",
        ]),
        ("engine/a.py", "if TYPE_CHECKING:\n    from huggingface_hub import HfApi", [
            "engine.a imports huggingface_hub.HfApi: only engine.hub_client may",
            "engine.a imports huggingface_hub: only engine.hub_client may",
        ]),
        ("engine/devhub/a.py", "def f():\n    import torch", ["engine.devhub.a imports torch: not in engine.devhub"]),
        ("engine/a.py", "import os\nos.environ['X']", ["engine.a:2 reads os.environ: only main() does"]),
        ("engine/a.py", "import os\ndef f():\n    return os.getenv('X')", [
            "engine.a:3 reads os.getenv: only main() does",
        ]),
        ("engine/a.py", "from os import environ", [
            "engine.a imports os.environ: only main() reads the environment",
        ]),
        ("engine/plan/a.py", "import torch", ["engine.plan.a → torch: not in engine.plan"]),
        ("engine/plan/a.py", "from torch.nn import Linear", ["engine.plan.a → torch: not in engine.plan"]),
        ("engine/plan/a.py", "class A:\n    try:\n        import gradio\n    except ImportError:\n        pass", [
            "engine.plan.a → gradio: not in engine.plan",
        ]),
        ("engine/recipe/a.py", "import engine.heavy.deep", [
            "engine.recipe.a → engine.heavy → torch: not in engine.recipe",
        ]),
        ("engine/recipe/a.py", "from engine.heavy import deep", [
            "engine.recipe.a → engine.heavy → torch: not in engine.recipe",
        ]),
    ],
)  # fmt: skip
def test_a_violation_is_found(tmp_path: Path, path: str, text: str, expected: list[str]) -> None:
    write(tmp_path, "engine/heavy/__init__.py", "import torch")
    write(tmp_path, "engine/heavy/deep.py", "")
    write(tmp_path, path, text)
    assert violations(tmp_path) == expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/hub_client.py", "import os, huggingface_hub\nos.environ['HF_TOKEN']"),
        ("engine/cli.py", "import os\nos.environ.get('HF_TOKEN')"),
        ("engine/plan/a.py", "if TYPE_CHECKING:\n    from torch import Tensor"),
        ("engine/plan/a.py", "def f():\n    import torch"),
        ("engine/plan/a.py", "import torchlike"),
        ("engine/run/a.py", "import torch"),
        ("engine/jobs/a.py", "import dbos"),
        ("engine/methods/a.py", "from engine.methods import contract\nfrom engine.methods.b import c"),
        ("bot/a.py", "from engine import errors\nimport engine.recipe.text"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path, path, text)
    assert violations(tmp_path) == []


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
