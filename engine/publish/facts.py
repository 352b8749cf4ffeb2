"""The plain facts that a model card is rendered from."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class Parent:
    """One model that went in.

    ``ref`` is how the recipe names it. A Hub model has ``repo`` (``org/name``), ``commit`` and ``url`` (its
    page); a local folder has none of them. ``license``, ``license_name`` and ``license_link`` are what its
    own card says, None where that says nothing. ``parameters`` counts elements, tied ones once.
    """

    ref: str
    repo: str | None
    commit: str | None
    url: str | None
    license: str | None
    license_name: str | None
    license_link: str | None
    is_base: bool
    architecture: str
    parameters: int

    @property
    def commit_url(self) -> str | None:
        """The page of this commit, None for a local folder."""
        return f"{self.url}/tree/{self.commit}" if self.url and self.commit else None

    @property
    def license_url(self) -> str | None:
        """``license_link`` as a web address that works in another repo; None where it is none.

        The Hub allows an address or a file of the repo; the latter is looked up at the parent's commit.
        """
        if not self.license_link:
            return None
        if urlsplit(self.license_link).scheme in ("http", "https"):
            return self.license_link
        if ":" in self.license_link or not (self.url and self.commit):
            return None
        return f"{self.url}/blob/{self.commit}/{quote(self.license_link)}"


@dataclass(frozen=True)
class CardFacts:
    """All that a card says; the same facts give the same card.

    ``repo`` is None for a model in a folder that is not published. ``url_base`` is the Hub's endpoint.
    ``recipe_text`` is the recipe as written, ``recipe_file`` its name beside the card. ``methods`` has one
    (name, purpose, arXiv id or "") each, the result's before its stages'. ``parents`` are in recipe order.
    ``license_note`` is ``engine.publish.licences.Verdict.message``. ``warnings`` are full sentences.
    """

    title: str
    repo: str | None
    url_base: str
    recipe_text: str
    recipe_file: str
    methods: tuple[tuple[str, str, str], ...]
    parents: tuple[Parent, ...]
    dtype: str
    parameters: int
    layers: int | None
    architecture: str
    license: str | None
    license_name: str | None
    license_link: str | None
    license_note: str
    tags: tuple[str, ...]
    language: tuple[str, ...]
    description: str | None
    weights_digest: str
    engine_version: str
    warnings: tuple[str, ...]
    pipeline_tag: str | None
    has_tokenizer: bool
    has_chat_template: bool
