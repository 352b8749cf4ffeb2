"""The page's looks: Gradio's own parts in our colours, with the reader's own fonts. Nothing is fetched from outside."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Base, Color

STYLE = (Path(__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
_EMBER = Color(
    c50="#fbeee6",
    c100="#f6d9c7",
    c200="#eeb896",
    c300="#ff9f70",
    c400="#dd7a46",
    c500="#c1531f",
    c600="#a63d12",
    c700="#86300e",
    c800="#64240b",
    c900="#451907",
    c950="#2b0f04",
    name="ember",
)
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Hiragino Sans", "Noto Sans CJK JP", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
THEME = Base(primary_hue=_EMBER, secondary_hue=_EMBER, neutral_hue="stone", font=_FONT, font_mono=_MONO).set(
    body_background_fill="#fbf9f6",
    body_background_fill_dark="#15181b",
    background_fill_primary="#ffffff",
    background_fill_primary_dark="#1e2226",
    block_background_fill="#ffffff",
    block_background_fill_dark="#1e2226",
    block_border_color="#ddd6cc",
    block_border_color_dark="#383d43",
    block_radius="12px",
    button_primary_background_fill="#a63d12",
    button_primary_background_fill_hover="#86300e",
    button_primary_text_color="#ffffff",
    button_primary_background_fill_dark="#ff9f70",
    button_primary_background_fill_hover_dark="#ffb48f",
    button_primary_text_color_dark="#1c1108",
    body_text_color="#22262b",
    body_text_color_dark="#ece8e2",
    body_text_color_subdued="#5b6169",
    body_text_color_subdued_dark="#b3ada4",
    block_info_text_color="#5b6169",
    block_info_text_color_dark="#b3ada4",
)
