"""The page: its parts, and what happens when one of them is touched. Launches nothing when it is imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from space import starting
from space.bench import START
from space.parts import Parts, labels, lay_out
from space.theme import STYLE, THEME
from space.words import LANGUAGES, preferred, sayer, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from space.bench import Bench, View
    from space.making import Maker

LEFT_OVER = 900
"""Seconds for which a file that somebody uploaded is kept at most twice."""
AT_ONCE = 8
"""Plans that are made at the same time, of all readers together."""


def build_app(bench: Bench, maker: Maker) -> gr.Blocks:
    """Build the page over a bench, where recipes are planned, and a maker, which publishes and proposes them."""
    app = gr.Blocks(title="mergesmith", analytics_enabled=False, fill_width=True, delete_cache=(LEFT_OVER, LEFT_OVER))
    # Made out here it has no handlers of Gradio's: those know one language, and are open to programs.
    login = gr.LoginButton(sayer(LANGUAGES[0])("sign_in"), size="sm", elem_id="ms-login")
    with app:
        parts = lay_out(bench, maker, login)
        _on_load(app, parts, bench, maker)
        _on_work(parts, bench)
        _on_start(parts, bench, maker)
        _on_make(parts, bench, maker)
    return app


def launch_options() -> dict[str, Any]:
    """What the page needs of whoever launches or mounts it."""
    return {"theme": THEME, "css": STYLE, "footer_links": [], "run_history": False, "max_file_size": "1mb"}


def _shown(view: View, turn: int = 0, **more: Any) -> list[Any]:  # noqa: ANN401 - whatever the form's script takes
    """Form, plan and text of a view; the form's text is left alone where only a value changed."""
    told: dict[str, Any] = {"marks": view.marks, "turn": turn, "text": view.text, **more}
    form = gr.HTML(**told) if view.form is None else gr.HTML(view.form, **told)
    return [form, view.plan, view.text]


def _on_load(app: gr.Blocks, parts: Parts, bench: Bench, maker: Maker) -> None:
    def loaded(
        kept: object, request: gr.Request, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
    ) -> list[Any]:
        text, language = _kept(kept)
        language = language or preferred(request.headers.get("accept-language"))
        view = bench.view(text or START, language, _token(token))
        maker.signed_in(_name(profile), _token(token))
        return [language, *_shown(view, ready=True), *_jobs(maker, profile, language), *labels(language)]

    def switched(text: str, language: str, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None) -> list[Any]:
        other = words(language)["language_other"]
        view = bench.view(text, other, _token(token))
        kept = {"text": text, "language": other}
        return [kept, other, *_shown(view), *_jobs(maker, profile, other), *labels(other)]

    sheet = [parts.form, parts.plan, parts.code]
    sign_ins = [words(language)["sign_in"] for language in LANGUAGES]
    everything = [parts.language, *sheet, *parts.merges, *parts.labelled]
    parts.login.click(
        None, [parts.login], None, js=_SIGN.replace("WORDS", json.dumps(sign_ins)), api_visibility="private"
    )
    _quiet(app.load, loaded, [parts.kept], everything)
    _quiet(parts.switch.click, switched, [parts.code, parts.language], [parts.kept, *everything])


_SIGN = """(said) => {
  const to = WORDS.includes(said) ? "/login/huggingface" : "/logout";
  window.parent?.postMessage({ type: "SET_SCROLLING", enabled: true }, "*");  // of the Hub's frame around a Space
  window.location.assign(`${to}?_target_url=${encodeURIComponent("/" + window.location.search)}`);
}"""


def _on_work(parts: Parts, bench: Bench) -> None:
    def edited(language: str, event: gr.EventData, token: gr.OAuthToken | None) -> list[Any]:
        sent = event._data if isinstance(event._data, dict) else {}  # noqa: SLF001 - Gradio has no other way to it
        view = bench.edit(str(sent.get("text")), sent.get("edits"), language, _token(token))
        return [*_shown(view, _number(sent.get("turn"))), {"text": view.text, "language": language}]

    def typed(text: str, language: str, token: gr.OAuthToken | None) -> list[Any]:
        form, plan, _ = _shown(bench.view(text, language, _token(token)))
        return [form, plan, {"text": text, "language": language}]

    _quiet(parts.form.input, edited, [parts.language], [parts.form, parts.plan, parts.code, parts.kept], "multiple")
    _quiet(parts.code.input, typed, [parts.code, parts.language], [parts.form, parts.plan, parts.kept], "always_last")
    parts.download.click(None, [parts.code], None, js=_DOWNLOAD)


_DOWNLOAD = """(text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  link.download = "recipe.yaml";
  link.click();
  URL.revokeObjectURL(link.href);
}"""


def _on_start(parts: Parts, bench: Bench, maker: Maker) -> None:
    outputs = [parts.form, parts.plan, parts.code, parts.kept, parts.started]

    def shown(text: str, notice: str, language: str, token: gr.OAuthToken | None) -> list[Any]:
        view = bench.view(text, language, _token(token))
        return [*_shown(view), {"text": text, "language": language}, notice]

    def example(name: str | None, language: str, token: gr.OAuthToken | None) -> list[Any]:
        return shown(starting.example(name), "", language, token)

    def remix(address: str, text: str, language: str, token: gr.OAuthToken | None) -> list[Any]:
        found, notice = maker.remix(address, language, _token(token))
        return shown(found or text, notice.html, language, token)

    def uploaded(data: bytes, language: str, token: gr.OAuthToken | None) -> list[Any]:
        return shown(starting.uploaded(data), "", language, token)

    def fresh(language: str, token: gr.OAuthToken | None) -> list[Any]:
        return shown(START, "", language, token)

    _quiet(parts.examples.input, example, [parts.examples, parts.language], outputs)
    _quiet(parts.load.click, remix, [parts.address, parts.code, parts.language], outputs)
    _quiet(parts.address.submit, remix, [parts.address, parts.code, parts.language], outputs)
    _quiet(parts.upload.upload, uploaded, [parts.upload, parts.language], outputs)
    _quiet(parts.fresh.click, fresh, [parts.language], outputs)


def _on_make(parts: Parts, bench: Bench, maker: Maker) -> None:
    def publish(text: str, language: str, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None) -> list[Any]:
        text, notice = maker.publish(text, language, _name(profile), _token(token))
        view = bench.view(text, language, _token(token))
        kept = {"text": text, "language": language}
        return [*_shown(view), kept, notice.html, *_jobs(maker, profile, language)]

    def propose(
        text: str, repo: str, language: str, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
    ) -> str:
        return maker.propose(text, repo, language, _name(profile), _token(token)).html

    def github(text: str, repo: str, language: str) -> str:
        return maker.github(text, repo, language).html

    def ticked(language: str, profile: gr.OAuthProfile | None) -> list[Any]:
        return _jobs(maker, profile, language)

    def cancelled(language: str, event: gr.EventData, profile: gr.OAuthProfile | None) -> list[Any]:
        sent = event._data if isinstance(event._data, dict) else {}  # noqa: SLF001 - as above
        maker.cancel(_name(profile), sent.get("job"))
        return _jobs(maker, profile, language)

    view = [parts.form, parts.plan, parts.code, parts.kept]
    _quiet(parts.publish.click, publish, [parts.code, parts.language], [*view, parts.published, *parts.merges])
    _quiet(parts.propose_button.click, propose, [parts.code, parts.repo, parts.language], [parts.proposed])
    _quiet(parts.github_button.click, github, [parts.code, parts.github, parts.language], [parts.proposed])
    _quiet(parts.timer.tick, ticked, [parts.language], parts.merges)
    _quiet(parts.jobs.select, cancelled, [parts.language], parts.merges)


def _kept(kept: object) -> tuple[str, str]:
    """Read what a browser kept, or says that it did: the text and the language, "" for none that we know."""
    text, language = (kept.get("text"), kept.get("language")) if isinstance(kept, dict) else (None, None)
    return (text if isinstance(text, str) else ""), (language if language in LANGUAGES else "")


def _jobs(maker: Maker, profile: gr.OAuthProfile | None, language: str) -> list[Any]:
    """Show who is signed in and their merges, and look again while any is under way."""
    say, name = sayer(language), _name(profile)
    login = gr.Button(say("sign_out", name=name) if name else say("sign_in"))
    return [maker.jobs(name, language), gr.Timer(active=maker.busy(name)), login]


def _quiet(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    mode: Literal["once", "multiple", "always_last"] = "once",
) -> None:
    """Bind a handler without a spinner, and out of reach of programs. ``mode``: what of events that come too soon."""
    event(
        handler,
        inputs,
        outputs,
        show_progress="hidden",
        api_visibility="private",
        concurrency_limit=AT_ONCE,
        concurrency_id="bench",
        trigger_mode=mode,
    )


def _name(profile: gr.OAuthProfile | None) -> str | None:
    return profile.username if profile else None


def _token(token: gr.OAuthToken | None) -> str | None:
    return token.token if token else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
