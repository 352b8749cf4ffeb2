"""The merge methods: one file each, and this literal registry."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.methods import (
    arcee_fusion,
    breadcrumbs,
    breadcrumbs_ties,
    dare_linear,
    dare_ties,
    della,
    della_linear,
    karcher,
    linear,
    model_stock,
    multislerp,
    nearswap,
    nuslerp,
    passthrough,
    ram,
    ramplus_tl,
    sce,
    slerp,
    task_arithmetic,
    ties,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.methods.contract import Method

_MODULES = (
    linear,
    slerp,
    nuslerp,
    multislerp,
    karcher,
    task_arithmetic,
    ties,
    dare_linear,
    dare_ties,
    della,
    della_linear,
    breadcrumbs,
    breadcrumbs_ties,
    model_stock,
    sce,
    ram,
    ramplus_tl,
    nearswap,
    arcee_fusion,
    passthrough,
)
METHODS: Mapping[str, Method] = MappingProxyType({module.METHOD.name: module.METHOD for module in _MODULES})
"""Every method by its name, in the order in which they are listed."""
