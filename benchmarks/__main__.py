"""``python -m benchmarks``: run the same recipes with mergesmith and with mergekit, as whole processes, in turn.

Prints medians of wall time, their ratio, peak resident memory, and the ratio to the floor: reading all inputs once
with ``cat`` and writing the output once with ``cp``. mergekit is installed into an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipes import SHAPES, named, recipes

WORK = Path(__file__).parent / "work"
PEER = "mergekit==0.1.5"
PAUSE = 0.02
"""Seconds between two looks at memory."""


@dataclass(frozen=True)
class Measured:
    """One process and those that it started: wall seconds, peak resident memory in MB, shared pages counted once."""

    seconds: float
    megabytes: float


def main() -> None:
    """Measure, and print a table in Markdown."""
    arguments = _arguments()
    shape = SHAPES[arguments.size]
    folder = WORK / arguments.size
    _say(f"making the family in {folder} (once)")
    subprocess.run([sys.executable, "-m", "benchmarks.family", str(folder), arguments.size], check=True)  # noqa: S603
    peer = None if arguments.no_peer else _peer()
    sys.stdout.write("| recipe | mergesmith | peak | mergekit | peak | faster | floor | over the floor |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    for name, text in recipes(folder, shape).items():
        if not arguments.recipes or name in arguments.recipes:
            _compare(name, text, folder, peer, arguments.repeat)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("recipes", nargs="*", help="which of them; all unless named")
    parser.add_argument("--size", choices=sorted(SHAPES), default="full", help="0.85 billion parameters, or a tenth")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each program")
    parser.add_argument("--no-peer", action="store_true", help="without mergekit")
    return parser.parse_args()


def _compare(name: str, text: str, folder: Path, peer: Path | None, repeat: int) -> None:
    recipe, out = folder / f"{name}.yml", folder / "out"
    recipe.write_text(text, encoding="utf-8")
    ours, theirs, floors = [], [], []
    for _ in range(repeat):
        ours.append(_timed([sys.executable, "-m", "engine", "merge", str(recipe), str(out), "--quiet"], out))
        floors.append(_floor(text, folder, out))
        if peer is not None:
            theirs.append(_timed([str(peer), str(recipe), str(out), "--no-copy-tokenizer", "--lazy-unpickle"], out))
    seconds = statistics.median(run.seconds for run in ours)
    floor = statistics.median(floors)
    cells = [name, f"{seconds:.1f} s", f"{max(run.megabytes for run in ours):.0f} MB"]
    if theirs:
        other = statistics.median(run.seconds for run in theirs)
        cells += [f"{other:.1f} s", f"{max(run.megabytes for run in theirs):.0f} MB", f"{other / seconds:.1f}×"]
    else:
        cells += ["", "", ""]
    cells += [f"{floor:.1f} s", f"{seconds / floor:.1f}×"]
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def _timed(command: list[str], out: Path) -> Measured:
    """Run one process to its end; its output folder is removed before, and what others wrote is on the disk."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    log = out.with_suffix(".log")
    started = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603 - our own command
        most = 0.0
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(PAUSE)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return Measured(seconds, most)


def resident(pid: int) -> float:
    """MB of memory of a process and of those that it started: each page's share, as the system has it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        shares = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").split("Pss:")[1].split()[0]
    except (OSError, IndexError):  # it has just ended
        return 0.0
    return int(shares) / 1024 + sum(resident(int(child)) for child in children)


def _floor(text: str, folder: Path, out: Path) -> float:
    """Read every input once, write as much as the output once."""
    used = [str(folder / name / "model.safetensors") for name in named(text, folder)]
    made = max(out.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    copy = out.with_suffix(".copy")
    os.sync()
    started = time.perf_counter()
    subprocess.run(["cat", *used], stdout=subprocess.DEVNULL, check=True)  # noqa: S603, S607 - as above
    subprocess.run(["cp", str(made), str(copy)], check=True)  # noqa: S603, S607
    seconds = time.perf_counter() - started
    copy.unlink()
    return seconds


def _peer() -> Path:
    """Install mergekit once, with the same torch, and return its command."""
    environment = WORK / "peer"
    command = environment / "bin" / "mergekit-yaml"
    if not command.is_file():
        _say(f"installing {PEER} into {environment} (once)")
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)  # noqa: S603 - as above
        torch = (Path(__file__).parents[1] / "scripts" / "torch.txt").read_text(encoding="utf-8").split()
        pip = [str(environment / "bin" / "pip"), "install", "--quiet"]
        subprocess.run([*pip, next(line for line in torch if line.startswith("torch=="))], check=True)  # noqa: S603
        subprocess.run([*pip, PEER], check=True)  # noqa: S603
    return command


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
