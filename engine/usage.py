"""Arguments and options that several commands share, and how a command's help is laid out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

Recipes = Annotated[list[Path], typer.Argument(metavar="RECIPE", help="Recipe files in YAML.")]
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
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", min=1, help="How many compute at once.", show_default="all cores")
]
Device = Annotated[
    str, typer.Option("--device", metavar="cpu|cuda|auto", help="What computes; a GPU gives the same bytes.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that no earlier merge recorded.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Events = Annotated[
    str | None, typer.Option("--events", metavar="json", help="Print each event as a line of JSON to standard output.")
]
Repo = Annotated[str | None, typer.Option("--repo", metavar="NAMESPACE/NAME", help="Target, instead of the recipe's.")]
Private = Annotated[bool | None, typer.Option("--private", help="Make the target private.", show_default=False)]

_TYPE = re.compile(" <[^>]*>")
_RANGE = re.compile(r"; [0-9<=]*x[0-9<=>]*(?=])")


class Command(TyperCommand):
    """A command whose help leaves out what says little: types and ranges behind names that tell them, and braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - a class that typer keeps to itself
        """Write ``RECIPE`` for ``{RECIPE}``."""
        return [re.sub("[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """List arguments, then options, each with its help."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            parameters = [parameter for parameter in self.get_params(ctx) if parameter.param_type_name == kind]
            records = [record for parameter in parameters if (record := parameter.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl([(_TYPE.sub("", name), _RANGE.sub("", text)) for name, text in records])
