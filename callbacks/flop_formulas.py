"""Floating-point operations of torch's operators, forward and backward: 2 for a multiplication and its addition.

Products of matrices, convolutions, attention and recurrent layers count; sums, norms, activations and look-ups do
not, as is the custom for model FLOPs (Chowdhery et al. 2022, PaLM, arXiv:2204.02311, appendix B). Most formulas are
those of `torch.utils.flop_counter`. Here is what it lacks, and what it counts otherwise: the backward pass of
attention, to which it adds the scores that fused kernels compute once more, which is work of the device and not of
the model; and that of convolutions in groups, where it takes all channels for one group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor

Formula = Callable[..., float]

ATTENTION = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
PACKED = ("_flash_attention_backward", "_efficient_attention_backward")
RECURRENT = ("_cudnn_rnn", "miopen_rnn", "mkldnn_rnn_layer")
CONVOLUTIONS = ("convolution", "_convolution", "convolution_overrideable")
GROUPED = ("_grouped_mm", "_scaled_grouped_mm")
OURS = frozenset({"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional", "c10d_functional", "torchvision"})
HEAVY = re.compile(r"mm$|conv|attention|_rnn|^(lstm|gru)|^_?fft_|linalg_(?!vector_norm)|cdist|cholesky|bilinear$")


def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> float:
    """Return the FLOPs of attention, 2 QK(d + e) a head: query [..., Q, d], key [..., K, d], value [..., K, e].

    Keys that a causal mask hides count, and heads that share keys count each.
    """
    return 2.0 * prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def attention_backward(_: Tensor, query: Tensor, key: Tensor, value: Tensor, *__: Any, **___: Any) -> float:
    """Return the FLOPs of its backward pass: two products for each of the forward pass."""
    return 2 * attention(query, key, value)


def convolution(given: Tensor, weight: Tensor, *options: Any, out_val: Tensor, **_: Any) -> float:
    """Return the FLOPs of a convolution of [batch, channels, ...]: each weight once a position of the output.

    Padding counts. Of a transposed convolution, the positions are those of the input.
    """
    transposed = options[4]
    return 2.0 * weight.numel() * given.shape[0] * prod((given if transposed else out_val).shape[2:])


def convolution_backward(gradient: Tensor, given: Tensor, weight: Tensor, *options: Any, **_: Any) -> float:
    """Return the FLOPs of its backward pass: a product for the input and one for the weight, where they are wanted.

    `options` are bias sizes, stride, padding, dilation, transposed, output padding, groups and output mask.
    """
    transposed, mask = options[4], options[7]
    once = 2.0 * weight.numel() * given.shape[0] * prod((given if transposed else gradient).shape[2:])
    return once * sum(map(bool, mask[:2]))


def recurrent(given: Tensor, *weights: Any, **_: Any) -> float:
    """Return the FLOPs of recurrent layers over input [..., features]: each position meets each weight matrix."""
    listed = weights[0] if isinstance(weights[0], list | tuple) else weights[:2]
    elements = sum(int(weight.numel()) for weight in listed if weight.ndim == 2)
    return 2.0 * (given.numel() // given.shape[-1]) * elements


def recurrent_backward(given: Tensor, *weights: Any, **_: Any) -> float:
    """Return the FLOPs of their backward pass: two products for each of the forward pass."""
    return 2 * recurrent(given, *weights)


def grouped(one: Tensor, other: Tensor, *_: Any, **__: Any) -> float:
    """Return the FLOPs of products of matrices [m, k] and [k, n] in groups of their rows or columns."""
    groups = one.shape[0] if one.ndim == other.ndim == 3 else 1
    return 2.0 * groups * one.shape[-2] * one.shape[-1] * other.shape[-1]


@cache
def formulas() -> Mapping[Any, Formula]:
    """Return the formula of each operator."""
    from torch.utils.flop_counter import flop_registry

    own: dict[str, Formula] = {
        **dict.fromkeys(ATTENTION, attention),
        **{f"{name}_backward": attention_backward for name in ATTENTION},
        **dict.fromkeys(RECURRENT, recurrent),
        **{f"{name}_backward": recurrent_backward for name in RECURRENT},
        **dict.fromkeys(GROUPED, grouped),
        **dict.fromkeys(CONVOLUTIONS, convolution),
        "convolution_backward": convolution_backward,
        "mv": lambda matrix, *_, **__: 2.0 * matrix.numel(),
        "addmv": lambda _, matrix, *__, **___: 2.0 * matrix.numel(),
        "dot": lambda one, *_, **__: 2.0 * one.numel(),
        "_int_mm": lambda one, other, *_, **__: 2.0 * one.numel() * other.shape[-1],
    }
    found = dict(flop_registry)
    for name in PACKED:  # five products as the device does them, of which one computes the scores again
        packet = getattr(torch.ops.aten, name, None)
        if packet in found:
            found[packet] = _without_scores(found[packet])
    return found | {getattr(torch.ops.aten, name): formula for name, formula in own.items() if _exists(name)}


def _without_scores(formula: Formula) -> Formula:
    return lambda *args, **kwargs: 0.8 * formula(*args, **kwargs)


def _exists(name: str) -> bool:
    return getattr(torch.ops.aten, name, None) is not None


def uncounted(packet: Any) -> str:
    """Return the name of an operator without a formula that may well be heavy, else an empty string."""
    namespace, _, name = str(packet).partition(".")
    if namespace not in OURS:
        return str(packet)
    return str(packet) if namespace == "aten" and HEAVY.search(name) and "cell" not in name else ""
