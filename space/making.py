"""From a recipe on the bench to a model: published here, or proposed to a recipes repo; and back, to build on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from engine.errors import HubError, MergesmithError, ModelError
from engine.hub_errors import FileMissing
from engine.plan.lock import lock_of, lock_text
from engine.publish.lineage import RECIPE
from engine.recipe import is_repo
from space import pages
from space.document import NotEditableError
from space.edits import Put, apply
from space.reading import sheet_of
from space.sheet import FIELDS, MOST_BYTES
from space.words import sayer

if TYPE_CHECKING:
    from engine.jobs import Jobs, Order
    from engine.plan.plan import Plan
    from space.bench import Bench
    from space.sheet import Sheet

LONGEST_NAME = 80
LONGEST_ADDRESS = 7000
"""Characters that a browser's address may safely have."""
SHOWN = 20
"""Merges that a reader is shown, the newest first."""
FOLDER = "recipes"
"""Where a recipes repo keeps its recipes."""
GITHUB = "https://github.com"


@dataclass(frozen=True)
class Notice:
    """A sentence for the page, as HTML with everything of others' escaped."""

    html: str = ""


@dataclass(frozen=True)
class Maker:
    """Publishes and proposes. ``jobs`` is None where nothing is merged: then recipes are proposed only."""

    bench: Bench
    jobs_room: Jobs | None

    @property
    def merges(self) -> bool:
        """Whether models are made here."""
        return self.jobs_room is not None

    def signed_in(self, owner: str | None, token: str | None) -> None:
        """Hand a token to merges that wait for their owner."""
        if self.jobs_room is not None and owner and token:
            self.jobs_room.signed_in(owner, token)

    def busy(self, owner: str | None) -> bool:
        """Whether any merge of theirs is under way, or will be."""
        if self.jobs_room is None or not owner:
            return False
        return any(job.state in ("queued", "running", "cancelling") for job in self.jobs_room.jobs(owner)[:SHOWN])

    def jobs(self, owner: str | None, language: str) -> str:
        """Show their merges."""
        if self.jobs_room is None:
            return ""
        mine = self.jobs_room.jobs(owner)[:SHOWN] if owner else ()
        return pages.jobs(mine, self.jobs_room.queue(), language, signed_in=owner is not None)

    def cancel(self, owner: str | None, job: object) -> None:
        """Stop one of theirs; another's is as good as unknown."""
        if self.jobs_room is not None and owner and isinstance(job, str):
            self.jobs_room.cancel(job, owner)

    def publish(self, text: str, language: str, owner: str | None, token: str | None) -> tuple[str, Notice]:
        """Queue the model. A recipe without a target gets one under its owner's name, so the text is returned too."""
        say = sayer(language)
        if self.jobs_room is None or not owner or not token:
            return text, _said(say("publish_no_torch" if self.jobs_room is None else "publish_signed_out"))
        try:
            text = with_target(text, owner)
        except NotEditableError:
            return text, _said(say("publish_name_it"))
        look = self.bench.look(text, sheet_of(text), token)
        if look.plan is None or look.plan.repo is None:
            return text, _said(say("publish_first"))
        if self.bench.fit(look, language) != say("fits"):
            return text, _said(self.bench.fit(look, language))
        try:
            self.jobs_room.submit(_order(look.plan, owner), token)
        except MergesmithError as refusal:
            return text, _said(_in_english(str(refusal), language))
        return text, Notice()

    def propose(self, text: str, repo: str, language: str, owner: str | None, token: str | None) -> Notice:
        """Open a pull request on a recipes repo, with the recipe and its lock."""
        say = sayer(language)
        if not owner or not token:
            return _said(say("propose_signed_out"))
        if not is_repo(repo.strip()):
            return _said(say("propose_bad_repo"))
        plan = self.bench.look(text, sheet_of(text), token).plan
        if plan is None:
            return _said(say("publish_first"))
        name = _file_name(plan, sheet_of(text))
        files = {
            f"{FOLDER}/{name}.yaml": text.encode(),
            f"{FOLDER}/{name}.lock.json": lock_text(lock_of(plan)).encode(),
        }
        try:
            made = self.bench.open_hub(token).propose(
                repo.strip(), files=files, title=f"Add {name}", description=_description(plan)
            )
        except (HubError, ModelError) as refusal:
            return _said(_in_english(str(refusal), language))
        return Notice(say("propose_done", url=_link(made.url)))

    def github(self, text: str, repo: str, language: str) -> Notice:
        """Make the address of GitHub's page for a new file, filled in with the recipe."""
        say = sayer(language)
        if not is_repo(repo.strip()):
            return _said(say("propose_bad_repo"))
        look = self.bench.look(text, sheet_of(text), None)
        name = _file_name(look.plan, sheet_of(text))
        query = urlencode({"filename": f"{FOLDER}/{name}.yaml", "value": text})
        address = f"{GITHUB}/{repo.strip()}/new/main?{query}"
        if len(address) > LONGEST_ADDRESS:
            return _said(say("propose_too_long"))
        return Notice(_link(address, say("propose_github_ready", name=f"{name}.yaml")))

    def remix(self, address: str, language: str, token: str | None) -> tuple[str | None, Notice]:
        """Fetch a published merge's recipe; None where there is none."""
        say, name = sayer(language), repo_in(address)
        if name is None:
            return None, _said(say("propose_bad_repo"))
        hub = self.bench.open_hub(token)
        try:
            model = hub.model(name, None)
            if any(file.name == RECIPE and file.size > MOST_BYTES for file in model.files):
                return None, _said(say("start_long", name=name))
            text = hub.read_file(name, model.commit, RECIPE).decode("utf-8", errors="replace")
        except FileMissing:
            return None, _said(say("start_none", name=name))
        except (HubError, ModelError) as failure:
            return None, _said(say("start_failed", name=name, why=str(failure)))
        return text, _said(say("start_loaded", name=name))


def repo_in(address: str) -> str | None:
    """Find ``owner/name`` in what somebody pasted: the name itself, or an address of one of the model's pages."""
    text = address.strip()
    if "://" in text:
        text = "/".join(urlsplit(text).path.strip("/").split("/")[:2])
    return text if is_repo(text) else None


def with_target(text: str, owner: str) -> str:
    """Name a target in a recipe that has none: its owner's, called after the models and the method."""
    sheet = sheet_of(text)
    if not sheet.readable or sheet.fields.get("repo"):
        return text
    return apply(text, sheet.number, Put(do="put", path=FIELDS["repo"], value=f"{owner}/{_slug(sheet)}"))


def _slug(sheet: Sheet) -> str:
    names = (
        [sheet.fields["name"]]
        if sheet.fields.get("name")
        else [*(m.split("/")[-1] for m in sheet.models[:3]), sheet.method]
    )
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(names)).strip("-.")
    return re.sub(r"\.{2,}", ".", slug)[:LONGEST_NAME].strip("-.") or "merge"


def _file_name(plan: Plan | None, sheet: Sheet) -> str:
    return plan.repo.split("/")[1] if plan and plan.repo else _slug(sheet)


def _order(plan: Plan, owner: str) -> Order:
    from engine.jobs import Order  # noqa: PLC0415 - where nothing is merged there need be no queue

    return Order(
        owner=owner,
        target=str(plan.repo),
        title=plan.title,
        recipe=plan.text,
        lock=lock_text(lock_of(plan)),
        nbytes=plan.cost.bytes_read + plan.cost.bytes_written,
    )


def _description(plan: Plan) -> str:
    """Say in the pull request what the recipe would make. Names stand in code, so that none is markup."""
    models = "\n".join(f"- `{pin.ref}` at `{(pin.commit or '')[:12]}`" for pin in plan.models)
    what = f"`{plan.repo or plan.title}` by `{plan.recipe.merge_method}`, plan digest `{plan.digest[:16]}`"
    return f"Makes {what}, from\n\n{models}\n"


def _said(text: str) -> Notice:
    return Notice(f"<p>{escape(pages.told(text))}</p>")


def _in_english(said: str, language: str) -> str:
    """Say what the engine says, which is in English, on a page of any language."""
    return f"{sayer(language)('job_in_english')}{said}"


def _link(address: str, text: str = "") -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(text or address)}</a>'
