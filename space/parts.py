"""What the page consists of: Gradio's own parts, ours, and what they say in each language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from space import pages, starting
from space.bench import START
from space.words import LANGUAGES, sayer

if TYPE_CHECKING:
    from space.bench import Bench
    from space.making import Maker

STATIC = Path(__file__).parent / "static"
KEPT = "mergesmith"
"""Where a browser keeps its reader's recipe and language."""
TICK = 1.0
"""Seconds between two looks at a merge that is under way."""


@dataclass(frozen=True)
class Parts:
    """Every part of the page that an event reads or writes."""

    kept: gr.BrowserState
    language: gr.State
    head: gr.HTML
    switch: gr.Button
    login: gr.LoginButton
    start: gr.Accordion
    examples: gr.Dropdown
    address: gr.Textbox
    load: gr.Button
    upload: gr.UploadButton
    fresh: gr.Button
    started: gr.HTML
    form: gr.HTML
    plan: gr.HTML
    code: gr.Code
    download: gr.Button
    publish: gr.Button
    published: gr.HTML
    propose: gr.Accordion
    repo: gr.Textbox
    propose_button: gr.Button
    github: gr.Textbox
    github_button: gr.Button
    proposed: gr.HTML
    jobs: gr.HTML
    timer: gr.Timer

    @property
    def merges(self) -> list[Any]:
        """What shows who is signed in, and what they are making."""
        return [self.jobs, self.timer, self.login]

    @property
    def labelled(self) -> list[Any]:
        """What says something of its own, in the order of ``labels``."""
        return [
            self.head,
            self.switch,
            self.start,
            self.examples,
            self.address,
            self.load,
            self.upload,
            self.fresh,
            self.code,
            self.download,
            self.publish,
            self.propose,
            self.repo,
            self.propose_button,
            self.github,
            self.github_button,
        ]


def labels(language: str) -> list[Any]:
    """Say all of that in another language."""
    say = sayer(language)
    return [
        gr.HTML(pages.head(language)),
        gr.Button(say("language")),
        gr.Accordion(label=say("start")),
        gr.Dropdown(label=say("start_examples"), info=say("start_help"), choices=starting.choices(language)),
        gr.Textbox(label=say("start_load"), info=say("start_address_help"), placeholder=say("model_placeholder")),
        gr.Button(say("start_load_button")),
        gr.UploadButton(label=say("start_upload")),
        gr.Button(say("start_fresh")),
        gr.Code(label=say("yaml")),
        gr.Button(say("download")),
        gr.Button(say("publish")),
        gr.Accordion(label=say("propose")),
        gr.Textbox(label=say("propose_to"), info=say("propose_help"), placeholder=say("model_placeholder")),
        gr.Button(say("propose")),
        gr.Textbox(label=say("propose_github"), info=say("propose_github_help"), placeholder=say("model_placeholder")),
        gr.Button(say("propose_github_open")),
    ]


def lay_out(bench: Bench, maker: Maker, login: gr.LoginButton) -> Parts:
    """Place every part, as a reader of the first language finds it; the others' words come with the first event."""
    say, view = sayer(LANGUAGES[0]), bench.view(START, LANGUAGES[0], None)

    def search(text: str) -> list[str]:
        return bench.search(text)

    kept = gr.BrowserState({}, storage_key=KEPT, secret=KEPT)
    language = gr.State(LANGUAGES[0])
    with gr.Row(elem_classes="ms-top"):
        head = gr.HTML(pages.head(LANGUAGES[0]), elem_classes="ms-head", apply_default_css=False)
        with gr.Column(elem_classes="ms-side", min_width=0):
            switch = gr.Button(say("language"), size="sm", elem_id="ms-language")
        with gr.Column(elem_classes="ms-side", min_width=0):
            login.render()  # type: ignore[no-untyped-call]  # untyped in Gradio
    with gr.Accordion(say("start"), open=False, elem_id="ms-start") as start:
        with gr.Row():
            examples = gr.Dropdown(
                starting.choices(LANGUAGES[0]), value=None, label=say("start_examples"), info=say("start_help")
            )
            address = gr.Textbox(
                label=say("start_load"), info=say("start_address_help"), placeholder=say("model_placeholder")
            )
        with gr.Row():
            load = gr.Button(say("start_load_button"), size="sm")
            upload = gr.UploadButton(say("start_upload"), size="sm", file_types=[".yaml", ".yml"], type="binary")
            fresh = gr.Button(say("start_fresh"), size="sm")
        started = gr.HTML("", elem_classes="ms-told", apply_default_css=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            form = gr.HTML(
                view.form,
                js_on_load=(STATIC / "form.js").read_text(encoding="utf-8"),
                server_functions=[search],
                apply_default_css=False,
                elem_id="ms-form",
                marks=[],
                turn=0,
                text=START,
                ready=False,
            )
        with gr.Column(scale=5, min_width=320, elem_classes="ms-beside"):
            plan = gr.HTML(view.plan, apply_default_css=False, elem_id="ms-plan")
            code = gr.Code(START, language="yaml", label=say("yaml"), interactive=True, elem_id="ms-yaml")
            publish = gr.Button(say("publish"), variant="primary", elem_id="ms-publish", visible=maker.merges)
            published = gr.HTML(
                "" if maker.merges else f"<p>{say('publish_no_torch')}</p>",
                elem_classes="ms-told",
                apply_default_css=False,
            )
            download = gr.Button(say("download"), size="sm", elem_id="ms-download")
            with gr.Accordion(say("propose"), open=not maker.merges, elem_id="ms-propose") as propose:
                repo = gr.Textbox(
                    label=say("propose_to"), info=say("propose_help"), placeholder=say("model_placeholder")
                )
                propose_button = gr.Button(say("propose"), size="sm")
                github = gr.Textbox(
                    label=say("propose_github"), info=say("propose_github_help"), placeholder=say("model_placeholder")
                )
                github_button = gr.Button(say("propose_github_open"), size="sm")
                proposed = gr.HTML("", elem_classes="ms-told", apply_default_css=False)
    jobs = gr.HTML(
        maker.jobs(None, LANGUAGES[0]),
        js_on_load=(STATIC / "jobs.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="ms-jobs",
    )
    timer = gr.Timer(TICK, active=False)
    return Parts(**{name: value for name, value in locals().items() if name in Parts.__annotations__})
