"""``mergesmith demo``: the whole line on tiny trained models, against the embedded Hub.

Recipes are planned and published as a user's would be. What was published is downloaded again, read by a reader that
shares no code with the merge engine, and asked to do the parents' tasks.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine import devhub
from engine.commands import plan_for_review, publish
from engine.demo import parents
from engine.demo.reader import load
from engine.demo.tasks import TASKS, score
from engine.errors import MergeError
from engine.hub_client import Hub
from engine.plan.plan import Options
from engine.plan.show.words import count, size
from engine.resources import EXAMPLES
from engine.terminal import reporting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.devhub import Server

MARK = ".mergesmith-demo"
RECIPES = ("slerp", "ties", "dare_ties", "passthrough")
STACKED = "passthrough"
DEMONSTRATED = 0.8
"""Share of a task's held-out words that a fine-tune, and a merge of it, must get right for the demo to succeed."""
UNTRAINED = 0.2
"""Most that a model may get right of a task that it was not made for."""


@dataclass(frozen=True)
class Result:
    """A model and its share of right answers, by task."""

    label: str
    scores: Mapping[str, float]


def run_demo(keep: Path, threads: int) -> int:
    """Run it, leaving everything in ``keep``. Returns 0 where the table shows what it should, else 1."""
    console = Console(highlight=False)
    _prepare(keep)
    with devhub.serve(keep / "hub", users={parents.OWNER: "hf_demo_token"}) as server:
        console.print(Text(f"The embedded Hub runs at {server.endpoint}"))
        for repo in parents.upload(server.store):
            console.print(Text(f"  put {repo} there"))
        published = _publish_all(server, keep, threads, console)
        folders = {name: _download(server, repo, keep / "models" / repo.split("/")[1]) for name, repo in published}
    results = _scores(folders)
    console.print(_table(results))
    for task in TASKS.values():
        console.print(Text(f"  /{task.name}: {task.rule}", style="dim"))
    stacked = load(folders[STACKED])
    console.print(f"\nThe stacked model has {stacked.shape.layers} layers, loads, and all its weights are finite.")
    _say_where(keep, server.endpoint, published, console)
    failures = failures_of(results)
    for failure in failures:
        sys.stderr.write(f"mergesmith: {failure}\n")
    return 1 if failures else 0


def _prepare(keep: Path) -> None:
    """Start from an empty folder; only one that an earlier demo marked is emptied."""
    if keep.exists():
        if not (keep / MARK).is_file():
            raise MergeError(f"{keep} exists and is no earlier demo's; name another folder with --keep")
        shutil.rmtree(keep)
    keep.mkdir(parents=True)
    (keep / MARK).write_text("This folder is made anew by each `mergesmith demo`.\n", encoding="utf-8")
    shutil.copytree(EXAMPLES / "recipes", keep / "recipes")


def _publish_all(server: Server, keep: Path, threads: int, console: Console) -> list[tuple[str, str]]:
    """Plan and publish every recipe; returns recipe names with the repos that they went to."""
    options = Options(threads=threads, local=False, endpoint=server.endpoint)

    def open_hub() -> Hub:
        return Hub(endpoint=server.endpoint, token=server.token(parents.OWNER))

    published = []
    for name in RECIPES:
        path = keep / "recipes" / f"{name}.yaml"
        plan = plan_for_review(path, open_hub, options).plan
        made = f"{count(plan.parameters)} parameters, {plan.layers} layers, {size(plan.bytes)}"
        console.print(Text(f"\nPlan of {name}: {made}; reads {size(plan.cost.bytes_read)}"))
        with reporting(json=False, quiet=False) as report:
            publish(path, open_hub, options, report)
        published.append((name, str(plan.repo)))
    return published


def _download(server: Server, repo: str, to: Path) -> Path:
    """Fetch a published model as anybody would."""
    hub = Hub(endpoint=server.endpoint, token=server.token(parents.OWNER))
    model = hub.model(repo, None)
    to.mkdir(parents=True)
    for file in model.files:
        if "/" not in file.name:
            hub.download(repo, model.commit, file.name, to / file.name)
    return to


def _scores(folders: Mapping[str, Path]) -> list[Result]:
    torch.set_num_threads(1)  # models this small only lose time to threads
    models = [(folder.name, folder) for folder in parents.folders()]
    models.sort(key=lambda model: model[0] != "base")
    models += [(name, folder) for name, folder in folders.items() if name != STACKED]
    results = []
    for label, folder in models:
        reader = load(folder)
        results.append(Result(label, {task.name: score(reader, task) for task in TASKS.values()}))
    return results


def _kind(label: str) -> str:
    return "base" if label == "base" else "fine-tune" if label in TASKS else "merge"


def _table(results: Sequence[Result]) -> Table:
    table = Table(title="\nShare of unseen words that each model answers right", title_justify="left")
    table.add_column("model", no_wrap=True)
    table.add_column("is a", no_wrap=True)
    for task in TASKS.values():
        table.add_column(f"/{task.name}", justify="right")
    for result, following in zip(results, [*results[1:], None], strict=True):
        cells = [Text(f"{v:.0%}", style="bold green" if v >= DEMONSTRATED else "dim") for v in result.scores.values()]
        last = following is not None and _kind(following.label) != _kind(result.label)
        table.add_row(result.label, _kind(result.label), *cells, end_section=last)
    return table


def failures_of(results: Sequence[Result]) -> list[str]:
    """What the table should show and does not: the base does nothing, a fine-tune its own, a merge at least two."""
    failures = []
    for result in results:
        done = {name for name, value in result.scores.items() if value >= DEMONSTRATED}
        idle = all(value <= UNTRAINED for name, value in result.scores.items() if name not in done)
        if result.label == "base":
            right = not done and idle
        elif result.label in TASKS:
            right = done == {result.label} and idle
        else:
            right = len(done) >= 2
        if not right:
            failures.append(f"the scores of {result.label} are not what the demo is to show: {dict(result.scores)}")
    return failures


def _say_where(keep: Path, endpoint: str, published: Sequence[tuple[str, str]], console: Console) -> None:
    console.print("\nLook at what was made:")
    for _, repo in published:
        name = repo.split("/")[1]
        console.print(Text(f"  {keep / 'models' / name}  (its card: README.md)"))
    console.print("\nThe Hub's pages, served again until you press Ctrl-C:")
    console.print(Text(f"  {_program()} devhub --root {keep / 'hub'} --port {endpoint.rsplit(':', 1)[1]}"))
    for _, repo in published:
        console.print(Text(f"  {endpoint}/{repo}"))


def _program() -> str:
    """How to call the command line from here: by name if it is on the path, else beside this Python."""
    beside = Path(sys.executable).with_name("mergesmith")
    if shutil.which("mergesmith") or not beside.is_file():
        return "mergesmith"
    return os.path.relpath(beside)
