"""The article's six recipes, as published, and its merge of merges, planned and published against the embedded Hub.

The checkpoints have the article's names, 32 layers and Mistral's architecture, at small widths. What is published is
downloaded with the Hub's own client, read with safetensors, and compared with the formulas on whole float64 tensors.
"""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import reference
import torch
import yaml
from huggingface_hub import ModelCard, snapshot_download
from safetensors.torch import load_file

from engine.commands import plan_for_review, publish
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.plan import Options
from engine.run.streams import bernoulli, stream_key

ARTICLE = Path(__file__).parents[2] / "examples" / "article"
RECIPES = Path(__file__).parent / "recipes"
SHAPE = families.Shape(layers=32)
MISTRAL = "mistralai/Mistral-7B-v0.1"
TUNES = (
    "OpenPipe/mistral-ft-optimized-1218",
    "mlabonne/NeuralHermes-2.5-Mistral-7B",
    "AIDC-ai-business/Marcoroni-7B-v3",
    "EmbeddedLLM/Mistral-7B-Merge-14-v0.1",
    "samir-fama/SamirGPT-v1",
    "abacusai/Slerp-CM-mist-dpo",
    "EmbeddedLLM/Mistral-7B-Merge-14-v0.2",
)


@pytest.fixture(scope="module")
def models():
    base = families.random_tensors(SHAPE, 1)
    return {MISTRAL: base} | {name: families.tuned(base, seed) for seed, name in enumerate(TUNES, start=2)}


@pytest.fixture
def hub(devhub, models, tmp_path):
    for name, tensors in models.items():
        folder = families.write_model(tmp_path / name, tensors, families.config_of(SHAPE), shards=2)
        devhub.store.create_repo(name, name.split("/")[0])
        devhub.store.commit_files(name, {path.name: path for path in sorted(folder.iterdir())}, "Upload")
    return devhub


def published(hub, recipe: str, tmp_path: Path):
    """Plan and publish a recipe with nothing but the endpoint changed; returns plan, folder, tensors."""
    path = tmp_path / f"{recipe}.yaml"
    folder = ARTICLE if (ARTICLE / f"{recipe}.yaml").is_file() else RECIPES
    path.write_bytes((folder / f"{recipe}.yaml").read_bytes())
    options = Options(local=False, repo=f"alice/{recipe}", endpoint=hub.endpoint)

    def open_hub() -> Hub:
        return Hub(endpoint=hub.endpoint, token=hub.token("alice"))

    plan = plan_for_review(path, open_hub, options).plan
    assert publish(path, open_hub, options, silent) == f"{hub.endpoint}/alice/{recipe}"
    folder = Path(snapshot_download(f"alice/{recipe}", endpoint=hub.endpoint, token=False, local_dir=tmp_path / "down"))
    return plan, folder, load_file(folder / "model.safetensors")


def check_model(folder: Path, tensors, layers: int, dtype: torch.dtype):
    config = json.loads((folder / "config.json").read_text())
    shapes = families.tensor_shapes(families.Shape(layers=layers))
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    assert config == families.config_of(
        families.Shape(layers=layers), str(dtype).removeprefix("torch."), num_hidden_layers=layers
    )


def check_values(tensors, expected, share: float = 0.9999):
    same = total = 0.0
    for name, tensor in tensors.items():
        same += reference.same_share(tensor, expected(name)) * tensor.numel()
        total += tensor.numel()
    assert same / total >= share


def gradient(anchors, layer: int) -> float:
    place = layer / 31 * (len(anchors) - 1)
    low = min(int(place), len(anchors) - 2)
    return anchors[low] + (place - low) * (anchors[low + 1] - anchors[low])


def t_of(name: str) -> float:
    """The article's t: gradients by filter inside the layers, their first value outside."""
    layer = int(name.split(".")[2]) if ".layers." in name else 0
    if "self_attn" in name:
        return gradient([0, 0.5, 0.3, 0.7, 1], layer)
    if "mlp" in name:
        return gradient([1, 0.5, 0.7, 0.3, 0], layer)
    return 0.5


@pytest.mark.parametrize("recipe", ["marcoro14-7b-slerp", "neuralpipe-7b-slerp"])
def test_slerp(hub, models, tmp_path, recipe):
    plan, folder, tensors = published(hub, recipe, tmp_path)
    sources = [source["model"] for source in yaml.safe_load(plan.text)["slices"][0]["sources"]]
    check_model(folder, tensors, 32, torch.bfloat16)
    base, other = (models[name] for name in sources)
    check_values(tensors, lambda name: reference.slerp(base[name], other[name], t_of(name)))


def test_slerps_of_slerps(hub, models, tmp_path):
    """Three levels in one file: the formulas composed in float64, rounded once at the end."""
    plan, folder, tensors = published(hub, "hierarchical-7b-slerp", tmp_path)
    check_model(folder, tensors, 32, torch.bfloat16)

    def expected(name):
        layer = int(name.split(".")[2]) if ".layers." in name else 0
        left = reference.slerp(models[TUNES[2]][name], models[TUNES[3]][name], t_of(name))
        right = reference.slerp(models[TUNES[4]][name], models[TUNES[5]][name], gradient([0.2, 0.8], layer))
        hermes = reference.slerp(models[TUNES[0]][name], models[TUNES[1]][name], 0.5)
        t = gradient([0.25, 0.75], layer) if "mlp" in name else 0.5
        return reference.slerp(reference.slerp(left, right, 0.4), hermes, t)

    check_values(tensors, expected)
    parents = [TUNES[2], TUNES[3], TUNES[4], TUNES[5], TUNES[0], TUNES[1]]
    assert [pin.repo for pin in plan.models] == parents
    assert plan.cost.bytes_read == 6 * sum(tensor.nbytes for tensor in tensors.values())
    card = ModelCard.load(folder / "README.md")
    assert (card.data.to_dict()["base_model"], card.data.to_dict()["base_model_relation"]) == (parents, "merge")
    assert (RECIPES / "hierarchical-7b-slerp.yaml").read_text() in card.text
    assert f"| [{TUNES[2]}]({hub.endpoint}/{TUNES[2]}) | base |" in card.text
    assert card.text.count("- `slerp`: ") == 1


def test_ties(hub, models, tmp_path):
    _, folder, tensors = published(hub, "neuralpipe-7b-ties", tmp_path)
    check_model(folder, tensors, 32, torch.float16)
    check_values(
        tensors,
        lambda name: reference.task_vectors(
            models[MISTRAL][name],
            [models[TUNES[0]][name], models[TUNES[1]][name]],
            [0.5, 0.3],
            lambda _source, delta: reference.largest(delta, 0.5),
            consensus=True,
            normalize=True,
        ),
    )


@pytest.mark.parametrize(("recipe", "consensus"), [("daredevil-7b", True), ("daredevil-7b-linear", False)])
def test_dare(hub, models, tmp_path, recipe, consensus):
    _, folder, tensors = published(hub, recipe, tmp_path)
    check_model(folder, tensors, 32, torch.bfloat16)
    sources = [models[name] for name in TUNES[4:]]

    def expected(name):
        # Which elements are dropped is the random stream's; what is made of them is the formula's.
        def thin(source, delta):
            kept = bernoulli(stream_key(0, "", name, source), 0.53, 0, delta.numel()).view(delta.shape)
            return delta * kept / 0.53

        return reference.task_vectors(
            models[MISTRAL][name], [s[name] for s in sources], [0.4, 0.3, 0.3], thin, consensus=consensus
        )

    check_values(tensors, expected)


def test_passthrough(hub, models, tmp_path):
    plan, folder, tensors = published(hub, "neuralpipe-9b-merged", tmp_path)
    check_model(folder, tensors, 40, torch.bfloat16)
    assert plan.layers == 40
    for name, tensor in tensors.items():
        layer = int(name.split(".")[2]) if ".layers." in name else None
        source = TUNES[0] if layer is None or layer < 32 else TUNES[1]
        # After the layers the last slice's model is asked, before them the first's.
        source = TUNES[1] if name in {"model.norm.weight", "lm_head.weight"} else source
        stored = name if layer is None or layer < 32 else name.replace(f".{layer}.", f".{layer - 8}.")
        assert torch.equal(tensor.view(torch.int16), models[source][stored].view(torch.int16)), name


def test_card_and_lineage(hub, tmp_path):
    plan, folder, _ = published(hub, "neuralpipe-7b-ties", tmp_path)
    card = ModelCard.load(folder / "README.md")
    assert card.data.to_dict() == {
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": [MISTRAL, TUNES[0], TUNES[1]],
        "base_model_relation": "merge",
        "tags": ["merge", "mergekit", "mergesmith"],
    }
    for pin in plan.models:
        assert pin.commit is not None
        assert f"{hub.endpoint}/{pin.repo}/tree/{pin.commit}" in card.text
    assert (ARTICLE / "neuralpipe-7b-ties.yaml").read_text() in card.text
    assert (folder / "mergekit_config.yml").read_bytes() == (ARTICLE / "neuralpipe-7b-ties.yaml").read_bytes()
    assert json.loads((folder / "merge.lock.json").read_text())["models"][0]["commit"] == plan.models[0].commit
