"""Element types: safetensors' names, the names that recipes use, and sizes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FROM_SAFETENSORS: Mapping[str, str] = MappingProxyType(
    {
        "F64": "float64",
        "F32": "float32",
        "F16": "float16",
        "BF16": "bfloat16",
        "I64": "int64",
        "I32": "int32",
        "I16": "int16",
        "I8": "int8",
        "U8": "uint8",
        "U16": "uint16",
        "U32": "uint32",
        "U64": "uint64",
        "BOOL": "bool",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E5M2": "float8_e5m2",
    }
)
TO_SAFETENSORS: Mapping[str, str] = MappingProxyType({plain: short for short, plain in FROM_SAFETENSORS.items()})
SIZES: Mapping[str, int] = MappingProxyType(
    {
        "float64": 8,
        "float32": 4,
        "float16": 2,
        "bfloat16": 2,
        "int64": 8,
        "int32": 4,
        "int16": 2,
        "int8": 1,
        "uint8": 1,
        "uint16": 2,
        "uint32": 4,
        "uint64": 8,
        "bool": 1,
        "float8_e4m3fn": 1,
        "float8_e5m2": 1,
    }
)
"""Bytes of one element."""

MERGED = ("float64", "float32", "float16", "bfloat16")
"""What arithmetic is done on, and what a recipe may ask for."""


def promoted(dtypes: Iterable[str]) -> str:
    """Smallest of the merged types that holds them all, as torch promotes: bfloat16 with float16 is float32."""
    found = set(dtypes)
    for wide in ("float64", "float32"):
        if wide in found:
            return wide
    return "float32" if len(found) > 1 else found.pop()
