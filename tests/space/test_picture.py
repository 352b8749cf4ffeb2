"""Bands against values worked out by hand from the recipe: five points spread over eight layers are at 0, 4/7, 8/7 …"""

from pathlib import Path

import pytest

from engine.hub_client import Hub
from engine.plan.build import build
from engine.plan.plan import Options
from space.picture import Picture, picture_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def draw(devhub):
    for folder in sorted((EXAMPLES / "models").iterdir()):
        repo = f"demo/tiny-{folder.name}"
        devhub.store.create_repo(repo, "demo")
        devhub.store.commit_files(repo, {path.name: path for path in sorted(folder.iterdir())}, "Upload")

    def _draw(text: str) -> Picture:
        plan, _ = build("r.yaml", text, lambda: Hub(endpoint=devhub.endpoint, token=False), Options(local=False))
        picture = picture_of(plan)
        assert picture is not None
        return picture

    return _draw


def test_interpolation_is_told_as_shares_of_both(draw) -> None:
    picture = draw((EXAMPLES / "recipes/slerp.yaml").read_text())
    assert picture.layers == 8
    assert [(band.label, band.role, band.hue) for band in picture.bands] == [
        ("demo/tiny-reverse", "attention", 0),
        ("demo/tiny-reverse", "mlp", 0),
        ("demo/tiny-reverse", "other", 0),
        ("demo/tiny-upper", "attention", 1),
        ("demo/tiny-upper", "mlp", 1),
        ("demo/tiny-upper", "other", 1),
    ]
    attention = picture.bands[3]
    # t at layer i lies at 4i/7 among the points 0, 0.5, 0.3, 0.7, 1
    by_hand = [
        0,
        0.5 * 4 / 7,
        0.5 - 0.2 / 7,
        0.5 - 0.2 * 5 / 7,
        0.3 + 0.4 * 2 / 7,
        0.3 + 0.4 * 6 / 7,
        0.7 + 0.3 * 3 / 7,
        1,
    ]
    assert [cell.depth for cell in attention.cells] == pytest.approx(by_hand)
    assert [cell.layer for cell in attention.cells] == list(range(8))
    assert attention.values == "0 … 0.414 … 1"
    assert [cell.depth for cell in picture.bands[0].cells] == pytest.approx([1 - t for t in by_hand])
    assert picture.bands[5].values == "0.5"


def test_weights_share_one_scale(draw) -> None:
    text = (EXAMPLES / "recipes/ties.yaml").read_text().replace("weight: 1.0", "weight: 2.0", 1)
    picture = draw(text)
    assert [(band.label, band.cells[0].depth, band.values) for band in picture.bands] == [
        ("demo/tiny-reverse", 1.0, "2"),
        ("demo/tiny-upper", 0.5, "1"),
        ("demo/tiny-double", 0.5, "1"),
    ]


def test_a_stack_shows_where_layers_come_from(draw) -> None:
    picture = draw((EXAMPLES / "recipes/passthrough.yaml").read_text())
    assert [(band.label, [cell.layer for cell in band.cells]) for band in picture.bands] == [
        ("demo/tiny-reverse", list(range(8))),
        ("demo/tiny-upper", [8, 9]),
    ]
