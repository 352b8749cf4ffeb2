"""Starts the page, as a Space or on a machine of one's own: the only place here that reads the environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from fastapi import FastAPI, Request, Response

    from engine.hub_client import Hub
    from engine.jobs import Jobs

PORT = 7860
"""Where a Space is looked for."""
HOME = "/tmp/mergesmith"  # noqa: S108 - a Space has no better place; the folder is its owner's alone
CACHE = 64 * 1024 * 1024
"""Bytes of headers and configs that are kept in memory for all readers together."""
SIGN_IN = ("SPACE_ID", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
"""What a Space that people sign in to has in its environment."""
KNOWN = 40
"""Models that search boxes offer before anything is typed."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. ``merges`` is False where torch is missing: then recipes are planned and proposed."""

    endpoint: str
    home: Path
    port: int
    merges: bool


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings; ``MERGESMITH_HOME`` is where unfinished merges lie, ``PORT`` where the page is served."""
    return Settings(
        endpoint=environment.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/"),
        home=Path(environment.get("MERGESMITH_HOME") or HOME),
        port=int(environment.get("PORT") or PORT),
        merges=_has_torch(),
    )


def _has_torch() -> bool:
    try:
        return importlib.util.find_spec("torch") is not None
    except ImportError:
        return False


def refusal(environment: Mapping[str, str]) -> str | None:
    """Say why the page is not served: without the Hub's sign-in, every visitor would act with this machine's token."""
    missing = [name for name in SIGN_IN if not environment.get(name)]
    if environment.get("SYSTEM") == "spaces" and not missing:
        return None
    return (
        f"mergesmith-space: no sign-in: {', '.join(missing) or 'SYSTEM=spaces'} is not set; "
        "in a Space, say `hf_oauth: true` in its README; on your machine, run `make space`"
    )


@contextmanager
def serving(settings: Settings, environment: Mapping[str, str]) -> Iterator[FastAPI]:
    """Make the page's application, with its queue while the block lasts."""
    # All of these take a moment to load, or read the environment when they are loaded.
    import gradio as gr  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415

    from engine.hub_cache import CachedHub, HubCache  # noqa: PLC0415
    from space.app import build_app, launch_options  # noqa: PLC0415
    from space.bench import Bench, Room  # noqa: PLC0415
    from space.making import Maker  # noqa: PLC0415

    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    cache = HubCache(CACHE)

    def open_hub(token: str | None) -> Hub:
        return CachedHub(cache, endpoint=settings.endpoint, token=token or False)

    room = Room(_memory(), shutil.disk_usage(settings.home).free) if settings.merges else None
    bench = Bench(open_hub, settings.endpoint, room, _known(lambda: open_hub(None)))
    with _jobs(settings, environment) as jobs:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.middleware("http")(back_from_cancelling)
        app.middleware("http")(from_this_page)
        yield gr.mount_gradio_app(app, build_app(bench, Maker(bench, jobs)), path="/", **launch_options())


async def back_from_cancelling(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Show the page again to somebody who did not sign in after all; Gradio's own answer is an error."""
    from fastapi.responses import RedirectResponse  # noqa: PLC0415 - as above

    if request.url.path == "/login/callback" and "error" in request.query_params:
        return RedirectResponse("/")
    return await answer(request)


async def from_this_page(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what another site lets a reader's browser send: Gradio's session cookie goes along from everywhere.

    Browsers say where a request comes from. What says nothing is no browser, and has nobody's cookie.
    """
    from fastapi.responses import PlainTextResponse  # noqa: PLC0415 - as above

    changes = request.method not in {"GET", "HEAD", "OPTIONS"} or request.url.path == "/logout"
    if changes and request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return PlainTextResponse(
            "mergesmith takes orders from its own page only; open it, and press the button there", 403
        )
    return await answer(request)


@contextmanager
def _jobs(settings: Settings, environment: Mapping[str, str]) -> Iterator[Jobs | None]:
    if not settings.merges:
        yield None
        return
    from engine import jobs as room  # noqa: PLC0415 - as above

    with room.Jobs(settings.home / "jobs", environment, endpoint=settings.endpoint) as jobs:
        yield jobs


def _known(open_hub: Callable[[], Hub]) -> Callable[[], Sequence[str]]:
    """Ask once, in the background, which models people merge; until that is known there are none to offer."""
    from engine.errors import HubError  # noqa: PLC0415

    found: list[str] = []

    def ask() -> None:
        try:
            found.extend(open_hub().parents_of_merges(KNOWN))
        except HubError:
            found.clear()

    threading.Thread(target=ask, daemon=True, name="known models").start()
    return lambda: tuple(found)


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def main() -> None:
    """Serve until interrupted."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import uvicorn  # noqa: PLC0415 - as above

    if (why := refusal(os.environ)) is not None:
        sys.exit(why)
    settings = settings_from(os.environ)
    with serving(settings, dict(os.environ)) as app:
        uvicorn.run(app, host="0.0.0.0", port=settings.port, log_level="warning")  # noqa: S104 - a container's port


if __name__ == "__main__":
    main()
