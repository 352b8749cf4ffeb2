"""One model's tensor, as it is or scaled: what layers are stacked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import Inputs, Method, Mix, NoParameters, ParameterSet, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk


class SourceParameters(ParameterSet):
    """Per model."""

    scale: float | None = Field(default=None, description="factor of the tensor; without it bytes are copied")


def _scale(mix: Mix) -> float | None:
    scale: float | None = mix.sources[0].scale
    return scale


def _steps(mix: Mix) -> Steps:
    yield from ()
    scale = _scale(mix)

    def blend(chunk: Chunk) -> Tensor:
        (model,) = chunk.models
        return model if scale is None else model * scale

    return blend


METHOD = Method(
    name="passthrough",
    purpose="stack layers of several models into a deeper one",
    formula="x·scale, or x byte for byte",
    paper="",
    inputs=Inputs(base="participant", least=1, most=1, lends_only=True),
    source_parameters=SourceParameters,
    parameters=NoParameters,
    steps=_steps,
    verbatim=lambda mix: _scale(mix) is None,
)
