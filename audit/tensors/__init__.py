"""Identifies weights by the content of their tensors, whatever file they are in; without torch, executing nothing."""

from __future__ import annotations

from .digest import LightningWeights, WeightsError, file_sha256, lightning_weights, tensor_digests, tensors_sha256
from .files import weight_files

__all__ = [
    "LightningWeights",
    "WeightsError",
    "file_sha256",
    "lightning_weights",
    "tensor_digests",
    "tensors_sha256",
    "weight_files",
]
