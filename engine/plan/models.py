"""The models of a recipe, opened: headers, configs and layouts; and the checks of each on its own.

The planner sees a stage as it sees a stored model: ``Known`` is what it needs of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.checkpoints.config import extra_layers, is_tied, layer_count, quantisation
from engine.checkpoints.layout import is_head, layout_of
from engine.checkpoints.local import LocalCheckpoint
from engine.errors import HubError, ModelError
from engine.findings import error, note
from engine.hub_errors import ModelMissing, RevisionMissing
from engine.plan.plan import Input
from engine.recipe import hub_name, unknown_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.checkpoints.checkpoint import Checkpoint, Pin
    from engine.checkpoints.header import TensorInfo
    from engine.checkpoints.layout import Layout
    from engine.findings import Finding
    from engine.hub_client import Hub
    from engine.plan.plan import Mixture
    from engine.recipe import ModelRef, Places, Recipe
    from engine.recipe import Path as At


@dataclass(frozen=True)
class Known:
    """A model, be it stored or a stage, without its weights.

    ``tied`` says that its output head is its embedding. ``operands`` are its tensors as mixtures take them, by name.
    ``lender`` is the stored model that its config and tokenizer come from, ``base`` that which its base leads to.
    ``pin`` is what is stored; None for a stage.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    layout: Layout
    tied: bool
    operands: Mapping[str, Input | Mixture]
    lender: int
    base: int | None
    pin: Pin | None = None


@dataclass(frozen=True)
class Named:
    """What a document of a recipe names, in that order, and where it does so first."""

    refs: tuple[ModelRef, ...]
    mentions: tuple[At, ...]
    known: tuple[Known, ...]

    def index(self, ref: ModelRef) -> int:
        """Position of a reference."""
        return self.refs.index(ref)

    def ref(self, model: int) -> str:
        """How the recipe calls it."""
        return self.refs[model].text

    def layers(self, model: int) -> int:
        """How many layers its tensors show."""
        return self.known[model].layout.count


@dataclass(frozen=True)
class Models(Named):
    """All stored models below a recipe: those that a run reads from."""

    checkpoints: tuple[Checkpoint, ...]


def open_models(
    recipe: Recipe,
    places: Places,
    open_hub: Callable[[], Hub],
    *,
    local: bool,
    commits: Mapping[str, str] | None = None,
) -> tuple[Models | None, list[Finding]]:
    """Open every model that a recipe names; ``commits`` pins Hub models by reference.

    A model that cannot be used is a finding where the recipe first names it, all of them at once; then there
    are no ``Models``. ``HubError`` where the Hub does not answer.
    """
    findings: list[Finding] = []
    unreachable: HubError | None = None
    opened: list[tuple[ModelRef, At, Checkpoint, Layout]] = []
    for ref, at in recipe.mentions():
        if recipe.stages and _can_only_be_a_stage(ref, local=local):
            findings.append(unknown_stage(ref.text, recipe.stages, places.value(at)))
            continue
        try:
            checkpoint = _open(ref, open_hub, local=local, commit=(commits or {}).get(ref.text))
            layout = _layout(ref, checkpoint)
        except ModelError as refusal:
            findings.append(error("model", str(refusal), "", places.value(at)))
            continue
        except HubError as failure:
            unreachable = unreachable or failure
            continue
        if checkpoint.pin.kind == "local":
            findings += _local_notes(ref, checkpoint, places, at)
        opened.append((ref, at, checkpoint, layout))
    if any(finding.level == "error" for finding in findings):
        return None, findings
    if unreachable is not None:
        raise unreachable
    if not opened:
        return None, findings
    refs, mentions, checkpoints, layouts = zip(*opened, strict=True)
    known = tuple(_stored(number, *pair) for number, pair in enumerate(zip(checkpoints, layouts, strict=True)))
    return Models(refs, mentions, known, checkpoints), findings


def _stored(number: int, checkpoint: Checkpoint, layout: Layout) -> Known:
    tensors = checkpoint.tensors
    return Known(
        checkpoint.config,
        tensors,
        layout,
        is_tied(checkpoint.config, has_head=any(is_head(name) for name in tensors)),
        {name: Input(number, name, info.dtype, info.nbytes) for name, info in tensors.items()},
        lender=number,
        base=number,
        pin=checkpoint.pin,
    )


def _can_only_be_a_stage(ref: ModelRef, *, local: bool) -> bool:
    """Whether a name is neither a folder nor ``namespace/name``, in a recipe that has stages."""
    return "/" not in ref.text and not (local and Path(ref.text).is_dir())


def _open(ref: ModelRef, open_hub: Callable[[], Hub], *, local: bool, commit: str | None) -> Checkpoint:
    if local and Path(ref.text).is_dir():
        return LocalCheckpoint(ref.text, Path(ref.text))
    name = hub_name(ref)
    if name.adapter is not None:
        raise ModelError(f"{ref.text} asks for a LoRA adapter, and adapters are not built yet; name a merged model")
    if name.repo.startswith(("/", ".", "~")) or name.repo.count("/") > 1:
        reason = "no such folder" if local else "local folders are not allowed here, only models on the Hub"
        instead = "`namespace/name` or a folder that exists" if local else "`namespace/name`"
        raise ModelError(f"{ref.text}: {reason}; expected {instead}")
    return _open_on_hub(ref, open_hub(), local=local, commit=commit)


def _open_on_hub(ref: ModelRef, hub: Hub, *, local: bool, commit: str | None) -> Checkpoint:
    from engine.checkpoints.hub import HubCheckpoint  # noqa: PLC0415 - a local plan needs no Hub client

    name = hub_name(ref)
    try:
        return HubCheckpoint(ref.text, hub, name.repo, name.revision, commit)
    except ModelMissing as refusal:
        if not local:
            raise
        raise ModelError(f"there is no folder {ref.text}, and on the Hub: {refusal}") from None
    except HubError as failure:
        if not local:
            raise
        raise HubError(f"{failure} (there is no folder {ref.text} here either)") from failure
    except RevisionMissing:
        if commit is None:
            raise
        raise ModelError(
            f"{ref.text} is locked at commit {commit[:12]}, which {hub.endpoint}/{name.repo} no longer has; "
            "look there for what happened to it, then write the lock again with `mergesmith lock`"
        ) from None


def _layout(ref: ModelRef, checkpoint: Checkpoint) -> Layout:
    """Infer where the tensors stand; ``ModelError`` for packed weights, or where config and tensors disagree."""
    quantised = quantisation(checkpoint.config, checkpoint.tensors.values())
    if quantised is not None:
        raise ModelError(
            f"{ref.text} is quantised ({quantised}), and quantised weights cannot be merged; name the unquantised model"
        )
    declared = layer_count(checkpoint.config)
    layout = layout_of(checkpoint.tensors, declared, extra_layers(checkpoint.config))
    # Where no tensor is numbered 1 the layers share their weights, and the model merges as a whole.
    if declared is not None and layout.count != declared and any(".1." in name for name in checkpoint.tensors):
        raise ModelError(
            f"{ref.text} has {declared} layers by its config.json, and its tensors do not show layers 0 to "
            f"{declared - 1}; upload what is missing, or correct its config.json"
        )
    return layout


def _local_notes(ref: ModelRef, checkpoint: Checkpoint, places: Places, at: At) -> list[Finding]:
    findings = []
    if ref.text.count("/") == 1 and not ref.text.startswith("."):
        findings.append(
            note(
                "folder-shadows-hub",
                f"{ref.text} is read from the folder of that name, not from the Hub",
                f"write ./{ref.text} to say so, or run elsewhere to mean the Hub's",
                places.value(at),
            )
        )
    if any(file.hash.startswith("header-sha256:") for file in checkpoint.pin.files):
        findings.append(
            note(
                "pinned-by-header",
                f"{ref.text} has weight files above 64 MB, pinned by header and size, not by content",
                "",
                places.value(at),
            )
        )
    return findings
