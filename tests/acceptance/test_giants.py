"""A plan of 70 billion parameters: from headers alone, and without a byte of weights."""

from __future__ import annotations

from benchmarks import giants
from engine.commands import plan_for_review
from engine.hub_client import Hub
from engine.plan.plan import Options


def test_seventy_billion_parameters(devhub, tmp_path):
    giants.seed(devhub.store)
    recipe = tmp_path / "slerp.yml"
    recipe.write_text(giants.RECIPE)

    def open_hub() -> Hub:
        return Hub(endpoint=devhub.endpoint, token=devhub.token("alice"))

    plan = plan_for_review(recipe, open_hub, Options(local=False)).plan
    read = sum(exchange.sent for exchange in devhub.log if exchange.route in {"resolve", "contents"})
    asked = sum(exchange.route == "contents" for exchange in devhub.log)
    assert (plan.layers, len(plan.tensors), plan.parameters) == (80, 723, 70_553_706_496)
    assert 2 * 70_553_706_496 < plan.bytes < 2 * 70_553_706_496 + 1_000_000
    assert plan.cost.header_bytes_read < 1_000_000
    assert read < 5_000_000
    assert asked == 2 * 30  # one request for each file's header
