"""What a plan tells of parameters that its picture does not show."""

from __future__ import annotations

import pytest

from bot.picture import picture
from engine.plan.show.as_markdown import planned_entry
from engine.plan.show.settings import settings_of


def of_two(one: str, other: str, rest: str) -> str:
    return (
        f"base_model: ./base\nmodels: [{{model: ./a, parameters: {one}}}, {{model: ./b, parameters: {other}}}]\n{rest}"
    )


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (of_two("{weight: 1}", "{weight: 1}", "merge_method: ties\n"), ""),
        (of_two("{weight: 1, density: 0.53}", "{weight: 0.5, density: 0.53}", "merge_method: ties\n"), "density 0.53"),
        (of_two("{weight: 1, density: 0.53}", "{weight: 1}", "merge_method: ties\n"), "density 0.53 for a"),
        (
            of_two("{weight: 1, density: [0.2, 0.6]}", "{weight: 1, density: 0.9}", "merge_method: ties\n"),
            "density 0.2 to 0.6 for a, density 0.9 for b",
        ),
        (
            of_two("{weight: 1}", "{weight: 1}", "merge_method: ties\nparameters: {normalize: false, lambda: 0.75}\n"),
            "normalize false, lambda 0.75",
        ),
        (
            of_two("{weight: 1}", "{weight: 1}", "merge_method: dare_ties\nparameters: {rescale_norm: l1}\n"),
            "rescale_norm l1",
        ),
        (
            "models: [{model: ./a}, {model: ./b}]\nmerge_method: slerp\nbase_model: ./a\nparameters: {t: [0.25, 1]}\n",
            "",
        ),
    ],
)
def test_what_is_not_as_the_method_has_it(plan, recipe, told):
    assert settings_of(plan(recipe)) == told


def test_of_a_stage(plan):
    two = of_two("{weight: 1, density: 0.5}", "{weight: 1, density: 0.5}", "merge_method: ties\n")
    staged = plan(
        f"name: dense\n{two}---\nmerge_method: linear\nmodels:\n"
        "  - {model: dense, parameters: {weight: 1}}\n  - {model: ./b, parameters: {weight: 1}}\n"
    )
    assert (settings_of(staged), settings_of(staged, "dense")) == ("", "density 0.5")
    assert "density 0.5" in planned_entry(staged)["rows"]


def test_the_comment_tells_it(plan):
    made = plan(of_two("{weight: 1, density: 0.5}", "{weight: 1, density: 0.5}", "merge_method: ties\n"))
    assert picture(made)["settings"] == "density 0.5"
    assert planned_entry(made)["rows"][-1] == "density 0.5"
