"""What every job has at hand, and what it hands back."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot import policy as policies
from bot.github import GitHubError
from bot.markdown import part
from bot.overrides import set_aside
from bot.recipes import matcher
from bot.review import Desk
from bot.sticky import marker
from engine.plan.plan import Options

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from bot.github import GitHub
    from bot.inputs import Inputs
    from bot.machine import Machine
    from bot.workflow import Annotation, Log
    from engine.hub_client import Hub

FORMS = {True: "new", False: "edit"}


@dataclass(frozen=True)
class Run:
    """A run of the Action.

    ``open_hub`` makes a client with a token, or an anonymous one for None. ``environment`` is what a publishing
    process may inherit; it holds no token. ``work`` is an empty folder.
    """

    inputs: Inputs
    github: GitHub
    open_hub: Callable[[str | None], Hub]
    log: Log
    machine: Machine
    environment: Mapping[str, str] = field(repr=False)
    work: Path
    workspace: Path | None
    endpoint: str
    server_url: str
    run_url: str

    @property
    def recipes(self) -> re.Pattern[str]:
        """Expression that a recipe's path matches."""
        return matcher(self.inputs.recipes, self.inputs.working_directory)

    @property
    def options(self) -> Options:
        """How recipes are planned here: never from folders, whatever the workspace holds."""
        return Options(
            local=False, threads=self.machine.cores, private=self.inputs.private or None, endpoint=self.endpoint
        )

    def marker(self, kind: str) -> str:
        """Hidden line by which this workflow finds its own text again."""
        return marker(kind, self.inputs.working_directory, *self.inputs.recipes)

    def commit_url(self, sha: str) -> str:
        """Page of a commit."""
        return f"{self.server_url}/{self.github.repo}/commit/{sha}"

    def tree_url(self, sha: str) -> str:
        """Address that a path is appended to."""
        return f"{self.server_url}/{self.github.repo}/blob/{sha}"

    def edit_url(self, repo: str, ref: str, path: str, *, new: bool) -> str:
        """Page on which a file of a branch is made or edited."""
        where = f"{self.server_url}/{part(repo)}/{FORMS[new]}/{part(ref)}"
        return f"{where}?filename={part(path)}" if new else f"{where}/{part(path)}"


@dataclass(frozen=True)
class Result:
    """What a job has to tell: ``reasons`` are empty where nothing failed."""

    summary: str
    reasons: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


class PolicyUnreadableError(policies.PolicyError):
    """The policy is damaged: nothing is allowed by it."""

    reason = "policy"


def policy_at(github: GitHub, sha: str) -> policies.Policy:
    """Read the policy of a commit; without one everything is allowed. ``PolicyUnreadableError`` where it is none."""
    try:
        answer = github.get(f"contents/{policies.FILE}", ref=sha)
    except GitHubError as refusal:
        if refusal.status == 404:
            return policies.Policy()
        raise
    try:
        text = base64.b64decode(answer["content"]).decode()
        return policies.parse(text)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise PolicyUnreadableError(f"{policies.FILE} is not a text file; expected the policy in YAML") from None
    except policies.PolicyError as mistakes:
        raise PolicyUnreadableError(str(mistakes)) from None


def desk_for(
    run: Run, hub: Hub, policy: policies.Policy, given: Iterable[tuple[str, str]], *, strict: bool = False
) -> Desk:
    """Lay out what planning takes; ``given`` are overrides, ``strict`` plans as a run does."""
    return Desk(
        work=run.work,
        open_hub=lambda: hub,
        options=run.options,
        machine=run.machine,
        policy=policy,
        namespace=run.inputs.namespace,
        require_lock=run.inputs.require_lock,
        strict=strict,
        set_aside=set_aside(policy, given),
    )
