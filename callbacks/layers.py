"""Parameters grouped into the layers that a reader knows: modules by their path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MOST_LAYERS = 256
SHARDED = ("FSDP", "DeepSpeed", "ModelParallel", "XLA")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """Which layer each parameter belongs to.

    Attributes:
        names: Layer paths, shape [layers].
        of: For each parameter the index of its layer, shape [parameters].
    """

    names: tuple[str, ...]
    of: tuple[int, ...]

    @classmethod
    def around(cls, parameters: Iterable[str]) -> Layers:
        """Group parameters by their module; above `MOST_LAYERS` by ever shorter paths."""
        paths = [tuple(clean(name).split(".")[:-1]) or ("(module)",) for name in parameters]
        depth = max(map(len, paths), default=1)
        while depth > 1 and len({path[:depth] for path in paths}) > MOST_LAYERS:
            depth -= 1
        joined = [".".join(path[:depth]) for path in paths]
        names = tuple(dict.fromkeys(joined))
        places = {name: place for place, name in enumerate(names)}
        return cls(names=names, of=tuple(places[name] for name in joined))

    def sums(self, values: Tensor) -> Tensor:
        """Return for each layer the sum over its parameters; shape [parameters] to [layers]."""
        place = torch.as_tensor(self.of, device=values.device)
        return values.new_zeros(len(self.names)).index_add_(0, place, values)


def clean(name: str) -> str:
    """Return a parameter's name without what compilers and wrappers put into it."""
    return name.replace("_orig_mod.", "").replace("_forward_module.", "")


def sharded(strategy: Any, module: nn.Module) -> str:
    """Return why a rank does not hold whole parameters, or an empty string."""
    name = type(strategy).__name__
    if any(mark in name for mark in SHARDED):
        return f"{name} shards the parameters: no rank sees whole ones"
    if any(type(parameter).__name__ == "DTensor" for parameter in module.parameters()):
        return "the parameters are distributed tensors: no rank sees whole ones"
    return ""


def some(tensor: Tensor, most: int) -> Tensor:
    """Return at most so many elements, evenly spread, without a copy."""
    flat = tensor.reshape(-1)
    return flat[:: max(1, flat.numel() // most)][:most]


@torch.no_grad()
def norms_of(tensors: list[Tensor]) -> Tensor:
    """Return the L2 norm of each tensor in float32; shape [len(tensors)], on the first one's device."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    kinds = {(t.device, t.dtype) for t in dense}
    # Half precision is summed up in float32; wider types keep their own.
    dtype = torch.float32 if {dtype for _, dtype in kinds} & {torch.float16, torch.bfloat16} else None
    if len(kinds) == 1:
        return torch.stack(torch._foreach_norm(dense, 2, dtype=dtype)).float()
    device = dense[0].device
    return torch.stack([torch.linalg.vector_norm(t).to(device, torch.float32) for t in dense])
