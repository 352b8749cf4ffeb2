"""What people do with the form, in a browser: to the text, to the plan, and back."""

from __future__ import annotations

import re

import httpx
import pytest
from browser_help import choose, text_of
from playwright.sync_api import expect

TWO = """\
models:
  - model: demo/tiny-reverse
  - model: demo/tiny-upper
merge_method: slerp
base_model: demo/tiny-reverse
parameters:
  t: 0.5
dtype: bfloat16
"""


def write(page, text: str) -> None:
    """Replace the recipe in its editor, as somebody would who pastes one."""
    editor = page.locator("#ms-yaml .cm-content")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def test_two_models_make_a_plan(open_page, shot) -> None:
    page = open_page()
    expect(page.locator(".ms-plan")).to_contain_text("Choose the models, and the plan appears here.")
    shot(page, "space-start")
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    assert text_of(page) == TWO
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    expect(page.locator(".ms-facts").first).to_contain_text("304 k")


def test_search_offers_what_the_hub_has(open_page) -> None:
    page = open_page()
    page.get_by_label("Model 1").first.press_sequentially("tiny-dou")
    expect(page.locator("#ms-models option[value='demo/tiny-double']")).to_have_count(1)


def test_a_slider_moves_the_text_and_the_picture(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("spinbutton", name="t", exact=True).fill("0.2")
    expect(page.locator(".ms-band-values").nth(1)).to_have_text("0.2")
    assert text_of(page) == TWO.replace("0.5", "0.2")
    page.locator("input[type=range]").first.fill("0.9")
    expect(page.locator(".ms-band-values").nth(1)).to_have_text("0.9")
    assert text_of(page) == TWO.replace("0.5", "0.9")


def test_a_gradient_is_drawn_typed_and_moved_by_keys(open_page, shot) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("button", name="By part").click()
    page.locator(".ms-part").get_by_role("button", name="By layer").first.click()
    curve = page.locator(".ms-curve svg")
    curve.wait_for()
    box = curve.bounding_box()
    # The curve's inside is 12 points smaller on each side, 0 at its bottom and 1 at its top.
    page.mouse.move(box["x"] + 12, box["y"] + box["height"] - 12)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 13, box["y"] + 13, steps=40)
    page.mouse.up()
    typed = page.get_by_label("Values")
    # Each point is where the line left its reach, halfway to the next: at 1/8, 3/8, 5/8, 7/8 of the way, and its end.
    expect(typed).to_have_value(re.compile(r", (1|0\.9\d)$"))
    drawn = [float(value) for value in typed.input_value().split(",")]
    assert drawn == pytest.approx([0.125, 0.375, 0.625, 0.875, 1], abs=0.04)
    typed.fill("0, 0.5, 1")
    expect(page.locator(".ms-curve circle")).to_have_count(3)
    page.locator(".ms-curve circle").nth(1).focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(typed).to_have_value("0, 0.53, 1")
    expect(page.locator("#ms-yaml .cm-content")).to_contain_text("value: [0, 0.53, 1]")
    expect(page.locator(".ms-band-values").first).to_contain_text("1 … ")
    shot(page, "space-gradient")


def test_what_is_typed_shows_in_the_form_and_comments_stay(open_page) -> None:
    page = open_page()
    write(page, "# Mine, with care.\n" + TWO.replace("0.5", "[0, 1]  # rising"))
    expect(page.get_by_label("Values")).to_have_value("0, 1")
    page.get_by_role("radio", name=re.compile("^linear ")).check()
    expect(page.locator("#ms-yaml .cm-content")).to_contain_text("merge_method: linear")
    text = text_of(page)
    assert text.startswith("# Mine, with care.\n")
    assert "base_model" not in text
    expect(page.locator(".ms-plan")).to_contain_text("This works")


def test_a_mistake_is_shown_at_its_control_and_goes_when_mended(open_page, shot) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_label("Model 2").first.fill("demo/tiny-uper")
    mark = page.locator(".ms-mark")
    expect(mark).to_contain_text("demo/tiny-uper")
    expect(page.get_by_label("Model 2").first).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".ms-verdict")).to_have_text("✕ 1 to mend before this can be made")
    shot(page, "space-mistake")
    page.get_by_label("Model 2").first.fill("demo/tiny-upper")
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    expect(mark).to_have_count(0)


def test_a_text_that_cannot_be_read_says_so_and_comes_back(open_page) -> None:
    page = open_page()
    write(page, "models: [")
    expect(page.locator("#ms-form")).to_contain_text("The YAML cannot be read as a recipe.")
    write(page, TWO)
    expect(page.get_by_label("Model 1").first).to_have_value("demo/tiny-reverse")


def test_every_method_has_its_controls(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-base", "demo/tiny-upper")
    page.get_by_role("radio", name=re.compile("^dare_ties ")).check()
    expect(page.get_by_role("spinbutton", name=re.compile("^density"))).to_have_value("0.5")
    page.get_by_role("radio", name=re.compile("^passthrough ")).check()
    expect(page.get_by_text("16 layers in all")).to_be_visible()
    page.get_by_label("to (excl.)").first.fill("4")
    expect(page.get_by_text("12 layers in all")).to_be_visible()
    expect(page.locator(".ms-facts").first).to_contain_text("12")
    page.get_by_role("button", name="Add a slice").click()
    page.get_by_label("Model 1").nth(2).fill("demo/tiny-base")
    expect(page.get_by_text("20 layers in all")).to_be_visible()


def test_examples_and_a_new_recipe(open_page) -> None:
    page = open_page()
    page.locator("#ms-start button").first.click()
    page.get_by_label("An example").click()
    page.get_by_role("option", name=re.compile("^hierarchical")).click()
    expect(page.locator("#ms-form")).to_contain_text("This recipe has stages that are merged first: reverse-upper.")
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    page.get_by_role("button", name="A new recipe").click()
    expect(page.get_by_label("Model 1").first).to_have_value("")


def test_a_reload_keeps_the_recipe(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("spinbutton", name="t", exact=True).fill("0.3")
    expect(page.locator(".ms-band-values").nth(1)).to_have_text("0.3")
    page.reload()
    expect(page.get_by_role("spinbutton", name="t", exact=True)).to_have_value("0.3")
    assert text_of(page) == TWO.replace("0.5", "0.3")


def test_the_recipe_is_downloaded_as_it_stands(open_page, tmp_path) -> None:
    page = open_page()
    write(page, "# é ✓\n" + TWO)
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the YAML").click()
    download.value.save_as(tmp_path / "r.yaml")
    assert download.value.suggested_filename == "recipe.yaml"
    assert (tmp_path / "r.yaml").read_text() == "# é ✓\n" + TWO


def test_nothing_typed_runs(open_page) -> None:
    page = open_page()
    evil = "'<img src=x onerror=\"window.hit=1\">${window.hit=1}{{7*7}}'"
    write(page, TWO.replace("demo/tiny-upper", evil).replace("bfloat16", "'<script>window.hit=1</script>'"))
    expect(page.locator(".ms-verdict")).to_contain_text("to mend")
    assert page.evaluate("window.hit") is None
    assert page.locator("#ms-form img, #ms-plan img").count() == 0


@pytest.mark.parametrize("width", [360, 768])
def test_a_small_screen_needs_no_sideways_scrolling(open_page, shot, width) -> None:
    page = open_page(viewport={"width": width, "height": 780})
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("button", name="By layer").click()
    page.locator(".ms-curve circle").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if width == 360:
        shot(page, "space-phone")


def test_the_plan_and_the_button_stay_beside_the_form(open_page) -> None:
    page = open_page(viewport={"width": 1280, "height": 720})
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    for _ in range(2):
        expect(page.locator(".ms-verdict")).to_be_in_viewport()
        expect(page.locator("#ms-publish")).to_be_in_viewport(ratio=1)
        box, plan = page.locator("#ms-publish").bounding_box(), page.locator("#ms-plan").bounding_box()
        assert (box["x"], box["width"]) == (plan["x"], plan["width"])
        page.evaluate("window.scrollTo(0, 600)")


def test_japanese_for_a_japanese_browser_and_back(open_page, shot) -> None:
    page = open_page(locale="ja-JP")
    expect(page.locator(".ms-plan")).to_contain_text("モデルを選ぶと、ここにプランが出ます。")
    page.get_by_label("モデル 1").first.fill("demo/tiny-reverse")
    page.get_by_label("モデル 2").first.fill("demo/tiny-upper")
    expect(page.locator(".ms-plan")).to_contain_text("このまま作れます")
    expect(page.get_by_role("button", name="公開する")).to_be_visible()
    shot(page, "space-japanese")
    page.get_by_role("button", name="English").click()
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    page.reload()
    expect(page.locator(".ms-plan")).to_contain_text("This works")


def words_of(page) -> str:
    """All that the page says; what Gradio says while it opens a part is gone at some time, and is not counted."""
    return page.locator("body").inner_text().removesuffix("Loading").rstrip()


def test_nothing_is_left_in_the_other_language(open_page) -> None:
    page = open_page()
    page.locator("#ms-start button").first.click()
    page.locator("#ms-propose button").first.click()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    before = words_of(page)
    page.get_by_role("button", name="日本語").click()
    expect(page.locator(".ms-plan")).to_contain_text("このまま作れます")
    japanese = words_of(page)
    # Names, code, and the recipe are the same in every language.
    same = set(before.split("\n")) & set(japanese.split("\n"))
    assert {line for line in same if re.search(r"[A-Z][a-z]+ ", line)} == set()
    page.get_by_role("button", name="English").click()
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    assert words_of(page) == before


def test_the_tokenizer_and_the_name(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    tokenizer = page.get_by_role("combobox", name=re.compile("^Tokenizer"))
    # It is the base's, and nothing else can be made; what a recipe says is shown, and can be taken back.
    expect(tokenizer).to_have_count(0)
    write(page, TWO + "tokenizer_source: union\n")
    expect(tokenizer).to_have_value("union")
    expect(page.locator(".ms-mark")).to_contain_text("tokenizer_source")
    tokenizer.select_option("")
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    assert text_of(page) == TWO
    page.locator("summary", has_text="More").last.click()
    page.get_by_role("textbox", name=re.compile("^Name")).fill("My Merge")
    expect(page.locator("#ms-yaml .cm-content")).to_contain_text("name: My Merge")


def test_a_place_that_the_form_cannot_change_is_told(open_page) -> None:
    page = open_page()
    write(page, TWO.replace("dtype: bfloat16", "? dtype\n: bfloat16"))
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    page.get_by_label("Stored as").select_option("float16")
    expect(page.locator(".ms-mark")).to_have_text(
        "The form cannot change this place as it is written. Change it in the YAML."
    )
    assert "? dtype" in text_of(page)


def test_no_handler_is_an_interface_for_programs(stage) -> None:
    config = httpx.get(stage.url + "config").json()
    shown = [event for event in config["dependencies"] if event["api_visibility"] == "public" and event["backend_fn"]]
    assert len(config["dependencies"]) > 10
    assert shown == []
    info = httpx.get(stage.url + "gradio_api/info").json()
    assert info["named_endpoints"] == {}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_can_order_nothing(stage, site) -> None:
    sent = {"sec-fetch-site": site, "origin": "https://evil.example"}
    told = "mergesmith takes orders from its own page only; open it, and press the button there"
    for answer in (
        httpx.post(stage.url + "gradio_api/queue/join", headers=sent, json={}),
        httpx.post(stage.url + "gradio_api/run/predict", headers=sent, json={}),
        httpx.post(stage.url + "gradio_api/upload", headers=sent),
        httpx.get(stage.url + "logout", headers=sent),
    ):
        assert (answer.status_code, answer.text) == (403, told)
    assert httpx.get(stage.url, headers=sent).status_code == 200  # a link to the page is fine
    assert httpx.get(stage.url + "logout").status_code == 307


def test_with_the_keyboard_alone(open_page) -> None:
    page = open_page()
    page.get_by_role("radio", name=re.compile("^slerp ")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#ms-yaml .cm-content")).to_contain_text("merge_method: linear")
    for model in ("demo/tiny-reverse", "demo/tiny-upper"):
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.do") == "rename":
                break
        page.keyboard.type(model)
    expect(page.locator(".ms-plan")).to_contain_text("This works")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Publish now":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("Sign in, and this button publishes the model under your name.")).to_be_visible()


def test_dark(open_page, shot) -> None:
    page = open_page("?__theme=dark")
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    assert page.evaluate("getComputedStyle(document.querySelector('.ms-plan')).backgroundColor") == "rgb(30, 34, 38)"
    shot(page, "space-dark")
