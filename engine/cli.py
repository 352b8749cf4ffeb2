"""The command line: arguments in, exit status out. The only place that turns errors into exit codes.

0 done; 2 the recipe, or a model that it names, is at fault; 1 anything else; 130 interrupted. Longer than our
modules are, for every command declares its options here.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MergesmithError, RecipeError
from engine.interrupts import take_over
from engine.plan.plan import Options
from engine.plan.show.words import plain, plural
from engine.recipe import is_repo
from engine.sizes import parse_kmb, parse_size
from engine.usage import (
    Command,
    CopyTokenizer,
    Crimes,
    Device,
    Disk,
    Events,
    Force,
    Memory,
    Private,
    Quiet,
    Recipe,
    Recipes,
    Repo,
    ShardSize,
    Threads,
)
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.hub_client import Hub

app = typer.Typer(
    name="mergesmith",
    help="Merge language models: plan a recipe, make the model, publish it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""


def open_hub() -> Hub:
    """Make the Hub's client, once it is needed: it reads HF_ENDPOINT, HF_TOKEN and the like by itself.

    It prefers trusted publishing to HF_TOKEN. That is meant for the target: where there are both, HF_TOKEN reads.
    """
    from engine.hub_client import Hub  # noqa: PLC0415 - it takes a moment to load

    return Hub(token=os.environ.get("HF_TOKEN") or None if _publishes_by_trust() else None, warm=True)


def open_target() -> Hub:
    """Make the client that writes: as ``open_hub`` but by trusted publishing, where that is asked for.

    It is given no token, so the client asks for one with each request, and renews it before its hour is over.
    """
    from engine.hub_client import Hub  # noqa: PLC0415 - as above

    return Hub(warm=True) if _publishes_by_trust() else open_hub()


def _publishes_by_trust() -> bool:
    return bool(os.environ.get("HF_OIDC_RESOURCE"))


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mergesmith {ENGINE}")
        raise typer.Exit


@app.callback(invoke_without_command=False)
def _root(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; anywhere.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    pass


@app.command(cls=Command, short_help="Show what recipes would make, from headers alone.")
def plan(
    recipes: Recipes,
    *,
    form: Annotated[str, typer.Option("--format", metavar="text|markdown|json", help="How to print it.")] = "text",
    repo: Repo = None,
    private: Private = None,
    max_shard_size: ShardSize = "5GB",
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
) -> None:
    """Show what recipes would make. Reads headers only, never weights."""
    from engine.plan.show.command import show_plans  # noqa: PLC0415 - printing loads rich

    options = _options(max_shard_size, memory, disk, threads, allow_crimes, copy_tokenizer, repo, private)
    _stop_on(show_plans(recipes, form, open_hub, options))


def _options(
    max_shard_size: str,
    memory: str,
    disk: str | None,
    threads: int,
    allow_crimes: bool,
    copy_tokenizer: bool,
    repo: str | None = None,
    private: bool | None = None,
    device: str = "cpu",
) -> Options:
    if repo is not None and not is_repo(repo):
        raise MergesmithError(f"--repo {repo}: no repo on the Hub; expected NAMESPACE/NAME")
    if device not in {"cpu", "cuda", "auto"}:
        raise MergesmithError(f"--device {device}: expected cpu, cuda or auto")
    return Options(
        max_shard_size=parse_size(max_shard_size, "--max-shard-size"),
        memory=parse_size(memory, "--memory"),
        disk=None if disk is None else parse_size(disk, "--disk"),
        threads=threads,
        device=device,
        allow_crimes=allow_crimes,
        copy_tokenizer=copy_tokenizer,
        repo=repo,
        private=private,
        endpoint=_endpoint(),
    )


@app.command(cls=Command, short_help="Pin the models of recipes at their present commits.")
def lock(
    recipes: Recipes,
    *,
    check: Annotated[bool, typer.Option("--check", help="Check the locks instead of writing them.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="With --check: tell which models moved on since.")] = False,
    repo: Repo = None,
    private: Private = None,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
) -> None:
    """Pin each model of a recipe at its present commit, in NAME.lock.json beside it."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    options = Options(
        allow_crimes=allow_crimes, copy_tokenizer=copy_tokenizer, repo=repo, private=private, endpoint=_endpoint()
    )
    if fresh and not check:
        raise MergesmithError("--fresh: it goes with --check; pass both")
    problems = []
    for recipe in recipes:
        try:
            if check:
                checked = commands.check_lock(recipe, open_hub, options)
                found = commands.drifts(checked.lock, open_hub) if fresh and checked.lock else []
                typer.echo(f"{recipe}: its lock fits{', and no model changed since' if fresh and not found else ''}")
                for drift in found:
                    typer.echo(plain(f"{recipe}: {drift.ref}: {drift.what}"))
                if found:
                    typer.echo(
                        f"{recipe}: what is locked is what is merged; to take what there is now, write the lock again "
                        f"with `mergesmith lock {recipe}`"
                    )
            else:
                path, made = commands.write_lock(recipe, open_hub, options)
                typer.echo(f"{path}: {plural(len(made.models), 'model')}, plan {made.digest[:16]}")
        except MergesmithError as problem:
            problems.append(problem)
    _stop_on(problems)


@app.command(cls=Command, short_help="Make a recipe's model in a folder.")
def merge(
    recipe: Recipe,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to build the model in.")],
    *,
    max_shard_size: ShardSize = "5GB",
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
    device: Device = "cpu",
    force: Force = False,
    events: Events = None,
    quiet: Quiet = False,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
    out_shard_size: Annotated[
        str | None, typer.Option("--out-shard-size", metavar="N[K|M|B]", help="mergekit's: largest file in bytes.")
    ] = None,
    lazy_unpickle: Annotated[bool, typer.Option("--lazy-unpickle", help="mergekit's: changes nothing here.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", "--trust_remote_code", help="mergekit's: changes nothing here.")
    ] = False,
) -> None:
    """Make a recipe's model in a folder. A run that was stopped goes on where it was."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick
    from engine.events import Said  # noqa: PLC0415

    options = _options(max_shard_size, memory, disk, threads, allow_crimes, copy_tokenizer, device=device)
    if out_shard_size is not None:
        options = replace(options, max_shard_size=parse_kmb(out_shard_size, "--out-shard-size"))
    with _reporting(events, quiet=quiet) as report:
        if lazy_unpickle or trust_remote_code:
            names = "--lazy-unpickle" if lazy_unpickle else "--trust-remote-code"
            names = "--lazy-unpickle and --trust-remote-code" if lazy_unpickle and trust_remote_code else names
            report(Said(f"{names}: not needed: reading is always lazy, and no model's code is ever run"))
        commands.merge(recipe, out, open_hub, options, report, force=force)


@app.command(cls=Command, short_help="Make a recipe's model and publish it to the Hub.")
def publish(
    recipe: Recipe,
    *,
    repo: Repo = None,
    private: Private = None,
    require_lock: Annotated[bool, typer.Option("--require-lock", help="Stop where the recipe has no lock.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Publish as a pull request to the target.")] = False,
    clean_staging: Annotated[
        bool,
        typer.Option(
            "--clean-staging",
            help="Remove what unfinished publishes of other plans left at the target; without a lock, begin anew.",
        ),
    ] = False,
    max_shard_size: ShardSize = "5GB",
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
    device: Device = "cpu",
    force: Force = False,
    events: Events = None,
    quiet: Quiet = False,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
) -> None:
    """Make a recipe's model and publish it to the Hub, in one commit.

    Finished files wait on a staging branch of the target until then, so a run that was stopped goes on where it was, on
    any machine; without a lock, from the commits that it began with, unless --clean-staging begins anew.
    """
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    options = _options(max_shard_size, memory, disk, threads, allow_crimes, copy_tokenizer, repo, private, device)
    with _reporting(events, quiet=quiet) as report:
        commands.publish(
            recipe,
            open_hub,
            options,
            report,
            open_target=open_target,
            force=force,
            require_lock=require_lock,
            create_pr=create_pr,
            clean_staging=clean_staging,
        )


@app.command(cls=Command, short_help="Render a model's card again from its record.")
def card(out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that `mergesmith merge` made.")]) -> None:
    """Render a model's card again from its record."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    typer.echo(f"wrote {commands.card(out)}")


@app.command(cls=Command, short_help="Check a finished model against its record.")
def verify(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A folder, or NAMESPACE/NAME[@REVISION] on the Hub.")],
    *,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=0, help="Compute N tensors again and compare their bytes.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Which tensors --sample draws.")] = 0,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the whole model again and compare.")] = False,
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
    events: Events = None,
    quiet: Quiet = False,
) -> None:
    """Check a finished model against its record: every file's hash, and where asked for its weights."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    options = _options("5GB", memory, disk, threads, allow_crimes=True, copy_tokenizer=True)
    with _reporting(events, quiet=quiet) as report:
        answer = commands.verify(target, open_hub, options, report, sample=sample, seed=seed, rebuild=rebuild)
    typer.echo(answer)


@app.command(cls=Command, short_help="List the merge methods, or show one.")
def methods(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One method, with its parameters.")] = None,
) -> None:
    """List the merge methods, or show one with its parameters and paper."""
    from engine.describe import overview, page  # noqa: PLC0415 - keeps `--help` quick

    typer.echo(overview() if name is None else page(name))


@app.command(cls=Command, short_help="Run the whole line on tiny models, all on this machine.")
def demo(
    *,
    keep: Annotated[Path, typer.Option("--keep", metavar="FOLDER", help="Where to leave everything.")] = Path(
        "demo-output"
    ),
    threads: Threads = CORES,
) -> None:
    """Run the whole line on tiny trained models against the embedded Hub."""
    # The embedded Hub speaks LFS, not Xet; the client reads this when it is imported.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    from engine.demo.run import run_demo  # noqa: PLC0415 - keeps `--help` quick

    raise typer.Exit(run_demo(keep, threads))


@app.command(cls=Command, short_help="Serve the embedded Hub on this machine.")
def devhub(
    *,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 picks a free one.")] = 0,
    root: Annotated[Path, typer.Option("--root", metavar="FOLDER", help="Where it keeps its files.")] = Path(
        "devhub-data"
    ),
) -> None:
    """Serve the embedded Hub on this machine, until interrupted."""
    from engine import devhub as embedded  # noqa: PLC0415 - keeps `--help` quick

    try:
        embedded.run(root, port)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            raise
        raise MergesmithError(
            f"--port {port}: another program listens there; choose another, or leave it out"
        ) from None


def _reporting(events: str | None, *, quiet: bool) -> Any:  # noqa: ANN401 - a context manager of rich's kind
    from engine.terminal import reporting  # noqa: PLC0415 - loads rich

    if events not in {None, "json"}:
        raise MergesmithError(f"--events {events}: only json is known")
    return reporting(json=events == "json", quiet=quiet)


class SeveralError(MergesmithError):
    """What went wrong with several recipes; the worst of it gives the exit status."""

    def __init__(self, problems: Sequence[MergesmithError]) -> None:
        self.problems = tuple(problems)
        self.exit_status = max(problem.exit_status for problem in problems)
        super().__init__("\n".join(map(str, problems)))


def _stop_on(problems: Sequence[MergesmithError]) -> None:
    if problems:
        raise problems[0] if len(problems) == 1 else SeveralError(problems)


def _look_for_garbage_less() -> None:
    """Modules make a hundred thousand things that stay, and looking through them takes half a second."""
    gc.set_threshold(100_000, 20, 100)
    atexit.register(gc.freeze)  # what is left the system takes back


def main() -> None:
    """Run the command line and exit with its status."""
    _look_for_garbage_less()
    take_over()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the console does not know must not end a merge.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status, having told on standard error what went wrong.

    ``--debug`` may stand anywhere before a ``--``.
    """
    ours = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    debug = "--debug" in ours
    rest = [argument for argument in ours if argument != "--debug"] + list(arguments[len(ours) :])
    try:
        result = app(args=rest or ["--help"], prog_name="mergesmith", standalone_mode=False)
        # typer turns an interrupt into this status, or into Abort, as its version has it
        return _interrupted(rest) if result == INTERRUPTED else result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(rest)
    except typer.Exit as leaving:
        return leaving.exit_code
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:  # noqa: BLE001 - the last resort: a sentence instead of a traceback
        if debug:
            traceback.print_exception(problem)
        _tell(_lines(problem))
        return problem.exit_status if isinstance(problem, MergesmithError) else 1


def _interrupted(arguments: Sequence[str]) -> int:
    goes_on = {
        "merge": "; what is finished is kept, and the same command goes on from there",
        "publish": "; what is uploaded waits at the target, and the same command goes on from there",
    }
    _tell(f"mergesmith: interrupted{goes_on.get(arguments[0] if arguments else '', '')}")
    return INTERRUPTED


def _lines(problem: Exception) -> str:
    """What to tell about a problem: a recipe's errors a line each, anything else in a sentence."""
    if isinstance(problem, SeveralError):
        return "\n".join(map(_lines, problem.problems))
    if isinstance(problem, RecipeError):
        return "\n".join(f.line_for(problem.path) for f in problem.findings if f.level == "error")
    if isinstance(problem, MergesmithError):
        return "\n".join(f"mergesmith: {line}" for line in str(problem).split("\n"))
    if (usage := _usage(problem)) is not None:
        return usage
    if isinstance(problem, OSError) and problem.filename is not None:
        return f"mergesmith: {problem.filename}: {problem.strerror}; check the path and its permissions"
    return f"mergesmith: {type(problem).__name__}: {problem}; run it again with --debug to see where"


def _usage(problem: Exception) -> str | None:
    """Text of a mistake on the command line, which typer's parser found."""
    show = getattr(problem, "format_message", None)
    if not callable(show):
        return None
    command = getattr(getattr(problem, "ctx", None), "command_path", "mergesmith")
    return f"mergesmith: {str(show()).rstrip('.')}; see `{command} --help`"


def _tell(text: str) -> None:
    sys.stderr.write("\n".join(map(plain, text.split("\n"))) + "\n")
