"""The command line: arguments in, exit status out. The only place that turns errors into exit codes.

0 done; 2 the recipe, or a model that it names, is at fault; 1 anything else; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from engine.errors import MergesmithError, RecipeError
from engine.plan.plan import Options
from engine.sizes import parse_kmb, parse_size
from engine.version import ENGINE

if TYPE_CHECKING:
    from engine.hub_client import Hub

app = typer.Typer(
    name="mergesmith",
    help="Merge language models: plan a recipe, make the model, publish it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Recipes = Annotated[list[Path], typer.Argument(metavar="RECIPE…", help="Recipe files in YAML.")]
Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file in YAML.")]
Crimes = Annotated[bool, typer.Option("--allow-crimes", help="Allow models of different architectures.")]
CopyTokenizer = Annotated[
    bool, typer.Option("--copy-tokenizer/--no-copy-tokenizer", help="Copy the tokenizer of the model that lends it.")
]
ShardSize = Annotated[str, typer.Option("--max-shard-size", metavar="SIZE", help="Largest output file, such as 5GB.")]
Memory = Annotated[
    str, typer.Option("--memory", metavar="SIZE", help="Memory for tensors, on top of the interpreter's.")
]
Disk = Annotated[
    str | None, typer.Option("--disk", metavar="SIZE", help="Disk for scratch files; otherwise what is free.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads that compute.", show_default="all cores")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that no earlier merge recorded.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Events = Annotated[
    str | None, typer.Option("--events", metavar="json", help="Print each event as a line of JSON to standard output.")
]
Repo = Annotated[str | None, typer.Option("--repo", metavar="NAMESPACE/NAME", help="Target, instead of the recipe's.")]
Private = Annotated[bool | None, typer.Option("--private", help="Make the target private.", show_default=False)]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""


def open_hub() -> Hub:
    """Make the Hub's client, once it is needed: it reads HF_ENDPOINT, HF_TOKEN and the like by itself."""
    from engine.hub_client import Hub  # noqa: PLC0415 - it takes a moment to load

    return Hub()


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mergesmith {ENGINE}")
        raise typer.Exit


@app.callback(invoke_without_command=False)
def _root(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    pass


@app.command()
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
    raise typer.Exit(show_plans(recipes, form, open_hub, options))


def _options(
    max_shard_size: str,
    memory: str,
    disk: str | None,
    threads: int,
    allow_crimes: bool,
    copy_tokenizer: bool,
    repo: str | None = None,
    private: bool | None = None,
) -> Options:
    return Options(
        max_shard_size=parse_size(max_shard_size),
        memory=parse_size(memory),
        disk=None if disk is None else parse_size(disk),
        threads=threads,
        allow_crimes=allow_crimes,
        copy_tokenizer=copy_tokenizer,
        repo=repo,
        private=private,
        endpoint=_endpoint(),
    )


@app.command()
def lock(
    recipes: Recipes,
    *,
    check: Annotated[bool, typer.Option("--check", help="Check the locks instead of writing them.")] = False,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
) -> None:
    """Pin each model of a recipe at its present commit, in NAME.lock.json beside it."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    options = Options(allow_crimes=allow_crimes, copy_tokenizer=copy_tokenizer, endpoint=_endpoint())
    for recipe in recipes:
        if check:
            commands.check_lock(recipe, open_hub, options)
            typer.echo(f"{recipe}: its lock fits")
        else:
            path, made = commands.write_lock(recipe, open_hub, options)
            typer.echo(f"{path}: {len(made.models)} models, plan {made.digest[:16]}")


@app.command()
def merge(
    recipe: Recipe,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to build the model in.")],
    *,
    max_shard_size: ShardSize = "5GB",
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
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

    options = _options(max_shard_size, memory, disk, threads, allow_crimes, copy_tokenizer)
    if out_shard_size is not None:
        from dataclasses import replace  # noqa: PLC0415

        options = replace(options, max_shard_size=parse_kmb(out_shard_size))
    with _reporting(events, quiet=quiet) as report:
        if lazy_unpickle or trust_remote_code:
            names = "--lazy-unpickle" if lazy_unpickle else "--trust-remote-code"
            names = "--lazy-unpickle and --trust-remote-code" if lazy_unpickle and trust_remote_code else names
            report(Said(f"{names}: not needed: reading is always lazy, and no model's code is ever run"))
        commands.merge(recipe, out, open_hub, options, report, force=force)


@app.command()
def publish(
    recipe: Recipe,
    *,
    repo: Repo = None,
    private: Private = None,
    require_lock: Annotated[bool, typer.Option("--require-lock", help="Stop where the recipe has no lock.")] = False,
    max_shard_size: ShardSize = "5GB",
    memory: Memory = "256MiB",
    disk: Disk = None,
    threads: Threads = CORES,
    force: Force = False,
    events: Events = None,
    quiet: Quiet = False,
    allow_crimes: Crimes = False,
    copy_tokenizer: CopyTokenizer = True,
) -> None:
    """Make a recipe's model and publish it to the Hub, in one commit."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    options = _options(max_shard_size, memory, disk, threads, allow_crimes, copy_tokenizer, repo, private)
    with _reporting(events, quiet=quiet) as report:
        commands.publish(recipe, open_hub, options, report, force=force, require_lock=require_lock)


@app.command()
def card(out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that `mergesmith merge` made.")]) -> None:
    """Render a model's card again from its record."""
    from engine import commands  # noqa: PLC0415 - keeps `--help` quick

    typer.echo(f"wrote {commands.card(out)}")


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One method, with its parameters.")] = None,
) -> None:
    """List the merge methods, or show one with its parameters and paper."""
    from engine.describe import overview, page  # noqa: PLC0415 - keeps `--help` quick

    typer.echo(overview() if name is None else page(name))


@app.command()
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


@app.command()
def devhub(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free one.")] = 0,
    root: Annotated[Path, typer.Option("--root", metavar="FOLDER", help="Where it keeps its files.")] = Path(
        "devhub-data"
    ),
) -> None:
    """Serve the embedded Hub on this machine, until interrupted."""
    from engine import devhub as embedded  # noqa: PLC0415 - keeps `--help` quick

    embedded.run(root, port)


def _reporting(events: str | None, *, quiet: bool) -> Any:  # noqa: ANN401 - a context manager of rich's kind
    from engine.terminal import reporting  # noqa: PLC0415 - loads rich

    if events not in {None, "json"}:
        raise MergesmithError(f"--events {events}: only json is known")
    return reporting(json=events == "json", quiet=quiet)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit status, having told on standard error what went wrong."""
    try:
        result = app(args=arguments, prog_name="mergesmith", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        _tell("interrupted; what is finished is kept, and the same command goes on from there")
        return 130
    except MergesmithError as refusal:
        return _explain(refusal, arguments)
    except typer.Exit as leaving:
        return leaving.exit_code
    except Exception as surprise:  # noqa: BLE001 - the last resort: a sentence instead of a traceback
        if (shown := _usage(surprise)) is not None:
            _tell(shown)
            return 1
        return _explain(surprise, arguments)


def _usage(surprise: Exception) -> str | None:
    """Text of a mistake on the command line, which typer's parser found."""
    show = getattr(surprise, "format_message", None)
    return f"mergesmith: {show()}; see `mergesmith --help`" if callable(show) else None


def _explain(problem: Exception, arguments: list[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(problem)
    if isinstance(problem, RecipeError):
        _tell(str(problem))
    elif isinstance(problem, MergesmithError):
        _tell(f"mergesmith: {problem}")
    else:
        _tell(f"mergesmith: {type(problem).__name__}: {problem}; `mergesmith --debug …` shows where")
    return problem.exit_status if isinstance(problem, MergesmithError) else 1


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
