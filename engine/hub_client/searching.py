"""Who is asking, and what there is on the Hub."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from engine import hub_errors
from engine.hub_client.asking import Asking
from engine.hub_client.values import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHOWN = 20
"""Models that a search finds unless asked for another number."""
MERGES = 200
"""Merges that are looked at to see what people merge: the Hub lists that many in one request."""
_MAY_CREATE = frozenset({"admin", "write", "contributor"})
"""Roles in an organisation that may make repos there. Source: the Hub's documentation of access control."""
_NAMED = "base_model:"


class Searching(Asking):
    """The questions that name no repo."""

    def whoami(self) -> str:
        """Return the name of the token's account, asked for once. Raises ``HubError`` without a valid token."""
        return str(self._account()["name"])

    def namespaces(self) -> tuple[str, ...]:
        """Return where the token's account may make repos: its own name, then those organisations. As ``whoami``."""
        return namespaces_of(self._account())

    def search(self, text: str, limit: int = SHOWN) -> tuple[Found, ...]:
        """Return the models with safetensors whose names hold ``text``, the most downloaded first, at most ``limit``.

        Of an empty ``text``, the most downloaded that generate text.
        """
        text = text.strip()
        task = self._task(f"searching for {text or 'models'}", "")
        tags = ["safetensors"] if text else ["safetensors", "text-generation"]
        found = self._call(
            task,
            lambda: list(
                self._api.list_models(
                    search=text or None,
                    filter=tags,
                    sort="downloads",
                    limit=limit,
                    expand=["downloads", "likes", "private", "gated"],
                )
            ),
        )
        return tuple(Found(m.id, m.downloads or 0, m.likes or 0, bool(m.private), bool(m.gated)) for m in found)

    def parents_of_merges(self, limit: int) -> tuple[str, ...]:
        """Return the models that the trending merges name as their parents, the most often named first."""
        task = self._task("looking at recent merges", "")
        merges = self._call(
            task,
            lambda: list(self._api.list_models(filter="merge", sort="trending_score", limit=MERGES, expand=["tags"])),
        )
        counts = Counter(parent for merge in merges for parent in parents_in(merge.tags or ()))
        return tuple(parent for parent, _ in counts.most_common(limit))

    def _account(self) -> dict[str, Any]:
        task = self._task("asking whose token this is", "")
        if self._token is False:
            raise hub_errors.no_token(task)
        return self._call(task, lambda: self._api.whoami(cache=True))


def namespaces_of(account: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where an account may make repos, from the Hub's answer; also where that does not tell its role."""
    orgs = (org for org in account.get("orgs", ()) if (org.get("roleInOrg") or "write") in _MAY_CREATE)
    return (str(account["name"]), *(str(org["name"]) for org in orgs))


def parents_in(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the parents that a model's tags name: ``base_model:merge:NAME``, else ``base_model:NAME``.

    A quantised or finetuned merge names the merge that way, with its own relation; that is no parent of a merge.
    """
    named = [tag.removeprefix(_NAMED) for tag in tags if tag.startswith(_NAMED)]
    related = [name for name in named if ":" in name]
    merged = [name.removeprefix("merge:") for name in related if name.startswith("merge:")]
    return tuple(dict.fromkeys(merged if related else named))
