"""What ``config.json`` tells about a model, and the config of what comes out.

Nothing here keeps a table of architectures: keys that transformers' configs share are enough. Multi-modal
configs nest the language model's part (``text_config``).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.checkpoints.header import TensorInfo

LAYER_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
TEXT_PARTS = ("text_config", "llm_config", "language_config")
TIED_BY_DEFAULT = frozenset({"gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "opt", "bloom", "cohere"})
"""Model types whose config class ties the head to the embedding where ``config.json`` says nothing."""
PACKED = (".qweight", ".SCB", ".absmax", ".weight_packed", ".weight_scale", ".weight_scale_inv")
"""Endings of names that GPTQ, AWQ, bitsandbytes, compressed-tensors and float8 checkpoints have."""
NOT_PER_LAYER = ("token_id", "token_ids", "architectures")
"""Endings of keys whose lists are not one value per layer, though they may happen to be as long."""


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Config of the language model: nested in a multi-modal one, else the whole."""
    whole = any(key in config for key in LAYER_KEYS)
    for name in TEXT_PARTS:
        part = config.get(name)
        if isinstance(part, dict) and (not whole or any(key in part for key in LAYER_KEYS)):
            return part
    return config


def layer_count(config: Mapping[str, Any]) -> int | None:
    """Number of hidden layers of the language model, if the config tells."""
    part = text_part(config)
    for key in LAYER_KEYS:
        value = part.get(key)
        if type(value) is int and value >= 0:
            return value
    return None


def extra_layers(config: Mapping[str, Any]) -> int:
    """Number of layers that are stored behind the others to predict further tokens (DeepSeek-V3, GLM-4.5)."""
    value = text_part(config).get("num_nextn_predict_layers")
    return value if type(value) is int and value > 0 else 0


def architecture(config: Mapping[str, Any]) -> str:
    """``architectures[0]``, else ``model_type``, else ``unknown``."""
    named = config.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        return named[0]
    model_type = config.get("model_type")
    return model_type if isinstance(model_type, str) else "unknown"


def is_tied(config: Mapping[str, Any], *, has_head: bool) -> bool:
    """Whether the output head is the embedding.

    The config decides; where it is silent, a model type that is tied by default, or a head that is not stored.
    """
    for part in (text_part(config), config):
        value = part.get("tie_word_embeddings")
        if isinstance(value, bool):
            return value
    return text_part(config).get("model_type") in TIED_BY_DEFAULT or not has_head


def quantisation(config: Mapping[str, Any], tensors: Iterable[TensorInfo] = ()) -> str | None:
    """Name of the quantisation format that the config declares, or that ``tensors`` show; None for plain weights.

    Older repos say it in a file of their own, so names that only packed weights have, and 8-bit floats, count too.
    """
    declared = config.get("quantization_config") or text_part(config).get("quantization_config")
    if isinstance(declared, dict):
        method = declared.get("quant_method")
        return method if isinstance(method, str) else "unknown"
    for tensor in tensors:
        if tensor.dtype.startswith("float8"):
            return "float8"
        if tensor.name.endswith(PACKED):
            return f"tensor {tensor.name!r}"
    return None


def merged_config(
    config: Mapping[str, Any],
    *,
    layers: Sequence[tuple[Mapping[str, Any], int]] | None,
    tied: bool,
    dtype: str,
    vocabulary: int | None = None,
) -> dict[str, Any]:
    """Make the output's config from the base's, made true where the merge changes it.

    ``layers`` gives, for each output layer, the config of the model and the index of the layer that it comes
    from (None leaves layers alone): their number is set, and per-layer lists such as ``layer_types`` are put
    together again from the parents' own. ``vocabulary`` is the number of the output embedding's rows.
    """
    merged = copy.deepcopy(dict(config))
    part = next(
        (merged[name] for name in TEXT_PARTS if merged.get(name) and text_part(config) is config[name]),
        merged,
    )
    if layers is not None:
        _set_layers(part, layer_count(config), layers)
    if part.get("tie_word_embeddings", merged.get("tie_word_embeddings")) is not tied:
        for holder in (part, merged):
            if "tie_word_embeddings" in holder or holder is part:
                holder["tie_word_embeddings"] = tied
    for holder in (part, merged):
        if vocabulary is not None and "vocab_size" in holder:
            holder["vocab_size"] = vocabulary
    nested = [value for value in merged.values() if isinstance(value, dict)]
    for holder in (*nested, merged):
        keys = [key for key in ("dtype", "torch_dtype") if key in holder]
        for key in keys or (["torch_dtype"] if holder is merged else []):
            holder[key] = dtype
    return merged


def _set_layers(part: dict[str, Any], count: int | None, layers: Sequence[tuple[Mapping[str, Any], int]]) -> None:
    key = next((key for key in LAYER_KEYS if key in part), LAYER_KEYS[0])
    for name, value in list(part.items()):
        if isinstance(value, list) and count and len(value) == count and not name.endswith(NOT_PER_LAYER):
            lists = [(text_part(config).get(name), index) for config, index in layers]
            if all(isinstance(per_layer, list) and index < len(per_layer) for per_layer, index in lists):
                part[name] = [per_layer[index] for per_layer, index in lists if per_layer is not None]
            else:
                # A model that does not say is of the kind that is the default, which no list means to transformers;
                # the other model's list would be wrong, or of the wrong length.
                del part[name]
    part[key] = len(layers)
