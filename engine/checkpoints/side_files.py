"""Which files beside the weights belong to a finished model, and which of them are the tokenizer's."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "tokenization_*.py",
    "chat_template.jinja",
    "chat_template.json",
)
OTHERS = (
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "image_processor_config.json",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
    "USE_POLICY*",
)


def is_tokenizer_file(name: str) -> bool:
    """Whether a file belongs to the tokenizer."""
    return any(fnmatch(name, pattern) for pattern in TOKENIZER)


def custom_code(config: Mapping[str, Any]) -> frozenset[str]:
    """Names of the ``*.py`` files that the config's ``auto_map`` names. They are copied, never run."""
    auto_map = config.get("auto_map")
    values = auto_map.values() if isinstance(auto_map, dict) else ()
    flat = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return frozenset(name.split("--")[-1].split(".")[0] + ".py" for name in flat if isinstance(name, str))


def side_files(names: Iterable[str], config: Mapping[str, Any], *, tokenizer: bool) -> tuple[str, ...]:
    """Files to copy from the model that lends them, sorted by name.

    With custom code, every ``*.py`` at the root goes along, since the named ones import the others.
    """
    code = custom_code(config)
    wanted = []
    for name in names:
        plain = "/" not in name
        if plain and is_tokenizer_file(name):
            if tokenizer:
                wanted.append(name)
        elif plain and (any(fnmatch(name, p) for p in OTHERS) or (code and name.endswith(".py"))):
            wanted.append(name)
    return tuple(sorted(wanted))


def is_pinned(name: str, weights: Container[str]) -> bool:
    """Whether a parent's file can matter to a merge, and so belongs into its lock.

    Safetensors files other than ``weights`` are not part of the model.
    """
    if "/" in name:
        return False
    if name.endswith(".safetensors"):
        return name in weights
    if name in {"config.json", "model.safetensors.index.json"} or name.endswith(".py"):
        return True
    return is_tokenizer_file(name) or any(fnmatch(name, pattern) for pattern in OTHERS)
