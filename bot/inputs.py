"""The Action's inputs and outputs, each declared here and nowhere else: ``action.yml`` is made from them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.failures import REASONS, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Command = Literal["auto", "plan", "publish", "verify"]
FailOn = Literal["error", "warning"]

OUTPUTS: Mapping[str, str] = {
    "plans": "what was planned, as JSON; `mergesmith plan --format json` writes the same",
    "repos": "repos that carry their recipe's model now, or are offered it with `create-pr`, one on each line",
    "urls": "their addresses, or the pull requests', one on each line",
    "digest": "digest of all plans together",
    "failure-reason": f"why the run failed: {', '.join(REASONS)}; empty where it did not",
}


class Inputs(BaseModel):
    """What the workflow's author decides. Tokens are in no ``repr``."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    command: Command = Field(
        default="auto",
        description="`auto` does what the event asks for: it plans a pull request, publishes after a push to the "
        "default branch and reports drift on a schedule. `plan`, `publish` and `verify` do only that; `verify` looks "
        "whether each published model is still the one that its recipe makes.",
    )
    recipes: tuple[str, ...] = Field(
        default=("recipes/**/*.yaml", "recipes/**/*.yml"),
        description="Which files are recipes: one pattern on each line, relative to `working-directory`.",
    )
    hf_token: str = Field(
        default="",
        alias="hf-token",
        repr=False,
        description="A Hugging Face token that may write to the target repos. Only publishing needs one, and not with "
        "trusted publishing (`permissions: id-token: write`).",
    )
    github_token: str = Field(
        default="",
        alias="github-token",
        repr=False,
        description="A GitHub token that reads this repo, and comments where it may.",
        json_schema_extra={"default": "${{ github.token }}"},
    )
    namespace: str = Field(
        default="",
        description="User or organisation on the Hub to publish to where a recipe names no target: "
        "`NAMESPACE/` and the recipe's name, or else its file's.",
    )
    private: bool = Field(
        default=False, description="Make new target repos private, whatever the recipe says; otherwise it decides."
    )
    create_pr: bool = Field(
        default=False,
        alias="create-pr",
        description="Offer each model as a pull request on the Hub, by the account of `hf-token`, instead of "
        "committing it to its target.",
    )
    fail_on: FailOn = Field(
        default="error", alias="fail-on", description="Which findings fail the run: `error`, or `warning` as well."
    )
    comment: bool = Field(
        default=True, description="Whether to comment on pull requests, and to report drift in an issue."
    )
    require_lock: bool = Field(
        default=False, alias="require-lock", description="Whether a recipe without a lock that fits is an error."
    )
    working_directory: str = Field(
        default="", alias="working-directory", description="Folder of the repo that holds the recipes."
    )

    @field_validator("private", "create_pr", "comment", "require_lock", mode="before")
    @classmethod
    def _boolean(cls, value: object) -> object:
        """Read a boolean as YAML 1.2 writes it: what GitHub's own actions accept."""
        return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value

    @field_validator("recipes", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        lines = value.splitlines() if isinstance(value, str) else value
        return tuple(line.strip() for line in lines if line.strip()) if isinstance(lines, list) else lines

    @field_validator("working_directory")
    @classmethod
    def _inside(cls, value: str) -> str:
        """Normalise a folder's path: ``""`` is the repo itself."""
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\\" in value:
            raise ValueError("expected a folder of the repo, such as `models`, without `..`")
        return "" if path == PurePosixPath() else str(path)

    @field_validator("recipes")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
                raise ValueError("expected patterns of files in the repo, without `..`")
        return value

    @field_validator("namespace")
    @classmethod
    def _one_name(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("expected a user or an organisation, without `/`")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear nowhere."""
        return tuple(secret for secret in (self.hf_token, self.github_token) if secret)


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """Read ``INPUT_<NAME>`` as the runner passes it; an empty one counts as absent.

    ``SettingsError`` names every input that is wrong, never with a token's value.
    """
    given: dict[str, Any] = {}
    for field, info in Inputs.model_fields.items():
        value = environment.get(f"INPUT_{(info.alias or field).upper()}", "").strip()
        if value:
            given[field] = value
    try:
        return Inputs(**given)
    except ValidationError as refusal:
        raise SettingsError("\n".join(_mistake(dict(mistake)) for mistake in refusal.errors())) from None


def _mistake(mistake: Mapping[str, Any]) -> str:
    field = str(mistake["loc"][0])
    name = Inputs.model_fields[field].alias or field if field in Inputs.model_fields else field
    value = "" if "token" in name else f" {mistake['input']!r}"
    expected = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if mistake["type"] in {"bool_type", "bool_parsing"}:
        expected = "true or false"
    return f"input {name}:{value}: {expected if expected.startswith('expected') else 'expected ' + expected}"
