"""What axe finds: nothing serious. Gradio's own findings, in parts that are not ours, are listed by name."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_help import choose
from playwright.sync_api import expect

GRADIOS: dict[str, str] = {}
"""Rules that Gradio itself breaks, with where."""


def findings(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [f"{rule['id']}: {node['target']} {node['html'][:150]}" for rule in serious for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious(open_page, theme) -> None:
    page = open_page(f"?__theme={theme}")
    assert findings(page) == []
    choose(page, "demo/tiny-reverse", "demo/tiny-upper")
    page.get_by_role("button", name="By layer").click()
    page.locator(".ms-curve circle").first.wait_for()
    page.locator("#ms-start button").first.click()
    page.locator("#ms-propose button").first.click()
    page.get_by_text("All other methods").click()
    assert findings(page) == []
    page.get_by_label("Model 2").first.fill("demo/nobody")
    expect(page.locator(".ms-mark")).to_be_visible()
    assert findings(page) == []
