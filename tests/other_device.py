"""A device of torch's that is not the processor, for machines without a GPU: it computes on the processor in secret.

It holds to what a GPU holds to, and is as odd as one where that matters: it takes no tensor of the processor beside its
own, hands out no memory, divides by a number by way of the reciprocal, and fuses a product into a sum. Made with
torch's own support for backends in Python (``torch.utils.backend_registration``).
"""

from __future__ import annotations

from functools import cache
from typing import Self

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "other"
ODD: set[str] = set()
"""Names of operations that go wrong in the last bit, as a test wants it."""
RAN: set[str] = set()
"""Names of operations that ran."""
_CROSSING = {"copy_", "_to_copy"}
_DIVISIONS = {"div", "div_"}
_SUMS = {"add", "add_", "sub", "sub_", "addcmul", "addcmul_", "lerp", "lerp_"}


class Other(torch.Tensor):
    """A tensor of that device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Self:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )
        made.inner = inner
        return made

    def __init__(self, _inner: torch.Tensor) -> None:
        """Nothing more."""

    def tolist(self):
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, _types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        RAN.add(name)
        given = [value for value in pytree.tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        strangers = [value for value in given if not isinstance(value, Other) and value.dim() > 0]
        if strangers and name not in _CROSSING:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, {NAME}:0 and cpu")
        if name in _SUMS and kwargs.get("alpha", kwargs.get("value", 1)) != 1:
            raise RuntimeError(f"{name}: a product that is fused into a sum is not rounded in between")
        target = kwargs.get("device")
        leaves = target is not None and torch.device(target).type == "cpu"
        if "device" in kwargs:
            kwargs["device"] = "cpu"
        args, kwargs = pytree.tree_map_only(Other, lambda value: value.inner, (args, kwargs))
        if name in _DIVISIONS and not isinstance(args[1], torch.Tensor):
            args = (args[0], 1.0 / args[1], *args[2:])
            func = torch.ops.aten.mul_.Tensor if name == "div_" else torch.ops.aten.mul.Tensor
        result = func(*args, **kwargs)
        if name in ODD and isinstance(result, torch.Tensor) and result.dtype.is_floating_point:
            result.copy_(result.nextafter(result.new_tensor(float("inf"))))
        for value in given:
            if isinstance(value, Other) and result is value.inner:
                return value
            if result is value:
                return value
        return result if leaves else pytree.tree_map_only(torch.Tensor, Other, result)


@cache
def device() -> str:
    """Give torch this device, once for each process, and its name."""
    _setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("aten", "IMPL")
    device.library = library  # it takes its operations back when it goes

    def empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
        return Other(torch.empty_strided(size, stride, dtype=dtype))

    def empty(size, *, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
        return Other(torch.empty(size, dtype=dtype))

    def copy_from(source, target, _non_blocking=False):
        inner, into = (tensor.inner if isinstance(tensor, Other) else tensor for tensor in (source, target))
        into.copy_(inner)
        return target

    library.impl("_copy_from", copy_from, "PrivateUse1")
    library.impl("empty_strided", empty_strided, "PrivateUse1")
    library.impl("empty.memory_format", empty, "PrivateUse1")
    return NAME
