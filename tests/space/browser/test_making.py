"""From the form to a model on the Hub, in a browser, signed in on the Hub's own page."""

from __future__ import annotations

import httpx
from browser_help import choose, sign_in
from playwright.sync_api import expect

from engine.hub_client import Hub

LONG = 120_000
"""Milliseconds that a merge may take on a busy machine."""


def publish(page, name: str) -> None:
    page.get_by_label("Publish as").fill(name)
    expect(page.locator("#ms-yaml .cm-content")).to_contain_text(f"repo: {name}")
    page.get_by_role("button", name="Publish now").click()


def test_a_newcomers_path(open_page, stage, shot) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_text("Sign in, and this button publishes the model under your name.")).to_be_visible()
    sign_in(page, "alice")
    # The recipe was not lost on the way, and its target is made from who and what.
    expect(page.get_by_label("Model 2").first).to_have_value("demo/tiny-upper")
    page.get_by_role("button", name="Publish now").click()
    job = page.locator(".ms-job").first
    expect(job).to_contain_text("alice/tiny-reverse-tiny-upper-slerp")
    expect(page.get_by_label("Publish as")).to_have_value("alice/tiny-reverse-tiny-upper-slerp")
    expect(job.locator(".ms-state")).to_have_text("published", timeout=LONG)
    expect(job).to_contain_text('AutoModelForCausalLM.from_pretrained("alice/tiny-reverse-tiny-upper-slerp")')
    shot(page, "space-published")
    with page.context.expect_page() as opened:
        job.get_by_role("link", name="Open the model").click()
    card = opened.value
    card.wait_for_load_state()
    expect(card.locator("body")).to_contain_text("merge_method: slerp")
    shot(card, "space-card")
    hub = Hub(endpoint=stage.hub.endpoint, token=stage.hub.token("alice"))
    names = {file.name for file in hub.model("alice/tiny-reverse-tiny-upper-slerp", None).files}
    assert {"model.safetensors", "mergekit_config.yml", "merge.lock.json", "merge.record.json", "README.md"} <= names


def test_what_is_typed_just_before_the_button_is_meant(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    sign_in(page, "alice")
    # As somebody does who types quickly and presses: no time for the text to follow.
    page.get_by_label("Publish as").fill("alice/just-typed")
    page.get_by_role("button", name="Publish now").click()
    job = page.locator(".ms-job", has_text="alice/just-typed")
    expect(job.locator(".ms-state")).to_have_text("published", timeout=LONG)


def test_signing_in_and_out_in_japanese_and_in_another_tab(open_page) -> None:
    page = open_page(locale="ja-JP")
    expect(page.locator("#ms-login")).to_contain_text("Hugging Face でサインイン")
    sign_in(page, "bob")
    expect(page.locator("#ms-login")).to_contain_text("サインアウト（bob）")
    expect(page.locator(".ms-jobs")).to_contain_text("マシンは空いています。")
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#ms-login", has_text="bob").click()
    expect(other.locator("#ms-login")).to_contain_text("Hugging Face でサインイン")
    page.get_by_role("button", name="公開する").click()
    expect(page.get_by_text("サインインすると、このボタンであなたの名前で公開できます。")).to_be_visible()
    expect(page.locator("#ms-login")).to_contain_text("Hugging Face でサインイン")


def test_who_cancels_the_signing_in_is_back_with_the_recipe(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.locator("#ms-login").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Model 2").first).to_have_value("demo/tiny-upper")
    expect(page.locator("#ms-login")).to_contain_text("Sign in")


def test_a_run_survives_a_reload_and_is_cancelled(open_page, stage, shot) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-double")
    sign_in(page, "bob")
    stage.hub.inject("lfs-put", delay=20, times=5)
    try:
        publish(page, "bob/slow")
        job = page.locator(".ms-job", has_text="bob/slow")
        expect(job.locator(".ms-state")).to_have_text("being made", timeout=LONG)
        expect(job.locator("progress")).to_be_visible(timeout=LONG)
        shot(page, "space-running")
        page.reload()
        expect(job.locator(".ms-state")).to_have_text("being made", timeout=LONG)
        job.locator("summary").click()
        page.wait_for_timeout(2500)  # the log stays open when the page looks again
        expect(job.locator("details")).to_have_attribute("open", "")
        job.get_by_role("button", name="Cancel").click()
        expect(job.locator(".ms-state")).to_have_text("cancelled", timeout=LONG)
    finally:
        stage.hub.clear_faults()


def test_nobody_sees_anothers_merges(open_page, stage) -> None:
    page = open_page()
    choose(page, "demo/tiny-base", "demo/tiny-upper")
    sign_in(page, "alice")
    publish(page, "alice/mine")
    expect(page.locator(".ms-job", has_text="alice/mine").locator(".ms-state")).to_have_text("published", timeout=LONG)
    job = page.locator(".ms-job", has_text="alice/mine").get_attribute("data-job")
    other = open_page()
    sign_in(other, "bob")
    expect(other.locator(".ms-jobs")).not_to_contain_text("alice/mine")
    other.evaluate(
        "document.querySelector('#ms-jobs .ms-jobs').insertAdjacentHTML('beforeend', "
        f"'<button class=ms-cancel data-job={job}>x</button>')"
    )
    other.locator(f"button[data-job='{job}']").click()
    page.reload()
    expect(page.locator(".ms-job", has_text="alice/mine").locator(".ms-state")).to_have_text("published")


def test_no_token_is_written_anywhere(open_page, stage) -> None:
    page = open_page()
    choose(page, "demo/tiny-double", "demo/tiny-upper")
    sign_in(page, "alice")
    publish(page, "alice/secret-keeping")
    job = page.locator(".ms-job", has_text="alice/secret-keeping")
    expect(job.locator(".ms-state")).to_have_text("published", timeout=LONG)
    files = [path for path in [*(stage.home / "work").rglob("*"), stage.home / "log"] if path.is_file()]
    assert any(path.name == "jobs.sqlite" for path in files)
    assert [(path, one) for path in files for one in stage.secrets if one.encode() in path.read_bytes()] == []
    for shown in (page.content(), httpx.get(stage.url + "config").text):
        assert [one for one in stage.secrets if one in shown] == []


def test_a_refusal_says_what_to_do(open_page, stage) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    sign_in(page, "bob")
    publish(page, "alice/not-bobs")
    job = page.locator(".ms-job", has_text="alice/not-bobs")
    expect(job.locator(".ms-state")).to_have_text("failed", timeout=LONG)
    expect(job.locator(".ms-error")).to_contain_text("alice/not-bobs")


def test_a_recipe_is_proposed_to_a_repo_of_recipes(open_page, stage, shot) -> None:
    stage.hub.store.create_repo("demo/recipes", "demo")
    stage.hub.store.commit_files("demo/recipes", {"README.md": b"# Recipes\n"}, "Start")
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    sign_in(page, "bob")
    page.locator("#ms-propose button").first.click()
    page.get_by_label("Recipes repo on the Hub").fill("demo/recipes")
    page.locator("#ms-propose").get_by_role("button", name="Propose as a pull request").last.click()
    link = page.get_by_role("link", name="demo/recipes/discussions/1")
    expect(link).to_be_visible()
    shot(page, "space-proposed")
    hub = Hub(endpoint=stage.hub.endpoint, token=stage.hub.token("demo"))
    made = hub.model("demo/recipes", "refs/pr/1")
    names = {file.name for file in made.files}
    name = "tiny-reverse-tiny-upper-slerp"
    assert {f"recipes/{name}.yaml", f"recipes/{name}.lock.json"} <= names
    text = hub.read_file("demo/recipes", made.commit, f"recipes/{name}.yaml").decode()
    assert "merge_method: slerp" in text
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator("body")).to_contain_text(f"Add {name}")


def test_the_address_for_github_holds_the_recipe(open_page) -> None:
    page = open_page()
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.locator("#ms-propose button").first.click()
    page.get_by_label("GitHub repo").fill("me/recipes")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_role("link", name="Open GitHub's page for tiny-reverse-tiny-upper-slerp.yaml")
    address = link.get_attribute("href")
    assert address.startswith(
        "https://github.com/me/recipes/new/main?filename=recipes%2Ftiny-reverse-tiny-upper-slerp.yaml&value=models"
    )
    assert "merge_method%3A+slerp" in address


def test_a_published_merge_is_built_on(open_page, stage) -> None:
    recipe = (
        b"# Theirs.\nmodels:\n  - model: demo/tiny-base\n  - model: demo/tiny-upper\nmerge_method: slerp\n"
        b"base_model: demo/tiny-base\nparameters:\n  t: 0.4\n"
    )
    stage.hub.store.create_repo("demo/theirs", "demo")
    stage.hub.store.commit_files("demo/theirs", {"mergekit_config.yml": recipe}, "A merge")
    page = open_page()
    page.locator("#ms-start button").first.click()
    page.get_by_label("A published merge").fill(f"{stage.hub.endpoint}/demo/theirs/tree/main")
    page.get_by_role("button", name="Load its recipe").click()
    expect(page.get_by_text("demo/theirs is loaded.")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="t", exact=True)).to_have_value("0.4")
    page.get_by_label("A published merge").fill("demo/tiny-base")
    page.keyboard.press("Enter")
    expect(
        page.get_by_text("demo/tiny-base has no mergekit_config.yml, so there is no recipe to load.")
    ).to_be_visible()
