"""``python -m benchmarks.hub``: a merge from the Hub to the Hub, against the same merge between folders.

The Hub is the embedded one, in a process of its own on loopback, by LFS. Both merges are whole processes. The goal is
1.5 times the merge between folders plus one bare copy, over loopback, of the bytes that it reads and writes. The
embedded Hub's own time is in the wall time, on the same cores. And a plan of a recipe of 70 billion parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import giants, loopback
from benchmarks.__main__ import WORK
from benchmarks.recipes import SHAPES, named, recipes
from engine.devhub import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "hf_of-a-benchmark"  # noqa: S105 - of a Hub on this machine
TICK = os.sysconf("SC_CLK_TCK")
CHOSEN = ("linear", "slerp", "passthrough", "ties")


@dataclass(frozen=True)
class Ran:
    """One process: wall and processor seconds."""

    wall: float
    cpu: float


def main() -> None:
    """Measure, and print two tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument("recipes", nargs="*", default=CHOSEN)
    parser.add_argument("--size", choices=sorted(SHAPES), default="full", help="0.85 billion parameters, or a fifth")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    folder = WORK / arguments.size
    subprocess.run([sys.executable, "-m", "benchmarks.family", str(folder), arguments.size], check=True)  # noqa: S603
    texts = recipes(folder, SHAPES[arguments.size])
    _put("| recipe | Hub to Hub | processor | the Hub's | folder to folder | processor | bare copy | ratio |")
    _put("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in arguments.recipes:
        _compare(name, texts[name], folder, arguments.repeat)
    _put("\n| a plan of 70 B parameters | seconds | bytes read |\n| --- | ---: | ---: |")
    _plan_of_giants(arguments.repeat)


def _compare(name: str, text: str, folder: Path, repeat: int) -> None:
    out, rows = folder / "out", []
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    for _ in range(repeat):
        shutil.rmtree(out, ignore_errors=True)
        near = _run("merge", folder / f"{name}.yml", str(out), cwd=folder)
        used = [folder / model / "model.safetensors" for model in named(text, folder)]
        made = max(out.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        os.sync()
        copy = loopback.seconds(folder, used, made)
        shutil.rmtree(out)
        rows.append((*_published(name, text, folder), near.wall, near.cpu, copy))
    seconds = [statistics.median(column) for column in zip(*rows, strict=True)]
    far, _, _, local, _, copied = seconds
    _put(f"| {name} | {' | '.join(f'{each:.1f} s' for each in seconds)} | {far / (local + copied):.2f}× |")


def _published(name: str, text: str, folder: Path) -> tuple[float, float, float]:
    """Publish to a Hub that has the parents; wall seconds, and the processor's of the client and of the Hub."""
    root = folder / "hub"
    shutil.rmtree(root, ignore_errors=True)
    store = Store(root)
    store.add_user("me", TOKEN)
    for model in named(text, folder):
        store.create_repo(f"me/{model}", "me")
        store.commit_files(f"me/{model}", {path.name: path for path in (folder / model).iterdir()}, "Upload")
    store.close()
    recipe = root / f"{name}.yml"
    recipe.write_text(text.replace(f"{folder}/", "me/"), encoding="utf-8")
    with _hub(root) as (environment, hub):
        before = _processor(hub)
        ran = _run("publish", recipe, "--repo", "me/merged", cwd=root, environment=environment)
        spent = _processor(hub) - before
    shutil.rmtree(root)
    return ran.wall, ran.cpu, spent


@contextmanager
def _hub(root: Path) -> Iterator[tuple[dict[str, str], int]]:
    """Serve a Hub in a process of its own; gives the environment of its clients, and its process."""
    command = [sys.executable, "-m", "engine", "devhub", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        try:
            lines = [process.stdout.readline().strip() for _ in range(3)] if process.stdout else []
            yield dict(line.split("=", 1) for line in lines), process.pid
        finally:
            process.terminate()


def _run(command: str, recipe: Path, *more: str, cwd: Path, environment: dict[str, str] | None = None) -> Ran:
    """Run one command of mergesmith to its end."""
    log = recipe.with_suffix(".log")
    arguments = [sys.executable, "-m", "engine", command, str(recipe), *more]
    path = {"PYTHONPATH": str(Path(__file__).parents[1]), "HF_HOME": str(recipe.parent / "cache")}
    os.sync()  # what others wrote is on the disk
    started = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own command
            arguments, cwd=cwd, stdout=file, stderr=file, env=os.environ | path | (environment or {})
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return Ran(wall, usage.ru_utime + usage.ru_stime)


def _processor(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _plan_of_giants(repeat: int) -> None:
    root = WORK / "giants"
    shutil.rmtree(root, ignore_errors=True)
    store = Store(root)
    store.add_user("me", TOKEN)
    giants.seed(store)
    store.close()
    recipe = root / "slerp.yml"
    recipe.write_text(giants.RECIPE, encoding="utf-8")
    with _hub(root) as (environment, _):
        arguments = (recipe, "--format", "json")
        walls = [_run("plan", *arguments, cwd=root, environment=environment).wall for _ in range(repeat)]
    cost = json.loads(recipe.with_suffix(".log").read_text(encoding="utf-8"))["recipes"][0]["cost"]
    _put(f"| slerp of two | {statistics.median(walls):.1f} s | {cost['header_bytes_read'] / 1e6:.2f} MB |")
    shutil.rmtree(root)


def _put(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
