"""Gradient health: norms, non-finite values with their place, and how far each step moves the weights."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from .buffer import Key, VectorBuffer
from .layers import Layers, sharded
from .monitor import Monitor, guarded
from .schedule import Thinning

SAMPLED = 4096  # elements of a parameter from which its update is estimated
NAMED = 5  # layers that are named when values are not finite
PLACES = ("batch", "locate")


class _Norms(NamedTuple):
    """Norms of one step's gradients, kept until it is known whether they are finite."""

    step: int
    layers: Layers
    of_parameters: Tensor


class _Before(NamedTuple):
    """A sample of the weights before a step."""

    key: Key
    layers: Layers
    parameters: list[Tensor]
    values: list[Tensor]


class GradientMonitor(Monitor):
    """Record how large gradients and updates are, and where they stop being finite.

    Records:
        gradient.norm: L2 norm of all gradients before clipping, every optimizer step.
        gradient.layer_norm: The same for each layer, on a thinning schedule.
        gradient.update_ratio: Norm of a layer's update over the norm of its weights (matrices only).
        nonfinite: Event with step and layers, for each step with a NaN or infinite gradient.

    Metrics: `gradient.norm_p95`, `gradient.nonfinite_steps`.

    Norms stay on the device and are read together with the rest of the record, so a step does not wait.
    Steps that a gradient scaler skips are marked as skipped and do not count as non-finite.

    Args:
        nonfinite: `batch` names the layers when the record is next written; `locate` at once, which waits
            for the device every step.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "gradient"

    def __init__(
        self,
        *,
        nonfinite: Literal["batch", "locate"] = "batch",
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if nonfinite not in PLACES:
            raise ValueError(f"nonfinite must be one of {', '.join(PLACES)}, got {nonfinite!r}")
        self.nonfinite = nonfinite
        self.due = Thinning()

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether whole gradients can be seen here."""
        self._kept: list[_Norms] = []
        self._before: list[_Before] = []
        self._tables: dict[tuple[str, tuple[str, ...]], VectorBuffer] = {}
        self._known: dict[tuple[int, int], list[tuple[str, Any]]] = {}
        scaler = _scaler(trainer)
        self._scale: float | None = None if scaler is None else float(scaler.get_scale())
        reason = sharded(trainer.strategy, pl_module)
        if reason:
            self.switch_off(reason)

    @guarded
    def _measure(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        named = [(name, p) for name, p in self._named(pl_module, optimizer) if p.grad is not None]
        if not named or self.session is None:
            return
        step = trainer.global_step + 1
        norms = _norms([p.grad for _, p in named])
        scaler = _scaler(trainer)
        if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            norms = norms / scaler.get_scale()  # a fused optimizer unscales gradients itself, later
        self.session.put("gradient.norm", torch.linalg.vector_norm(norms))
        if self.due(step) or self.nonfinite == "locate" or norms.device.type == "cpu":
            self._layerwise(trainer, step, named, norms)

    def _named(self, pl_module: LightningModule, optimizer: Any) -> list[tuple[str, Any]]:
        """Return names and parameters of an optimizer, looked up again when it gets more of them."""
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        if (id(optimizer), count) not in self._known:
            chosen = {id(p) for group in optimizer.param_groups for p in group["params"]}
            found = [(name, p) for name, p in pl_module.named_parameters() if id(p) in chosen]
            self._known[id(optimizer), count] = found
        return self._known[id(optimizer), count]

    def _layerwise(self, trainer: Trainer, step: int, named: list[tuple[str, Any]], norms: Tensor) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        locate = self.nonfinite == "locate" or norms.device.type == "cpu"
        broken = locate and not bool(torch.isfinite(norms).all())
        if not self.due(step) and not broken:
            return
        layers = Layers.around(name for name, _ in named)
        if broken:
            self._name_broken(trainer, _Norms(step, layers, norms))
        if self.due(step):
            if not locate:
                self._kept.append(_Norms(step, layers, norms))
            key = self.session.key(step)
            self._table("gradient.layer_norm", layers).add(key, layers.sums(norms.square()).sqrt())
            self._sample_weights(key, named)

    def _name_broken(self, trainer: Trainer | None, norms: _Norms) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        if trainer is not None and _scaler(trainer) is not None:
            return  # the scaler looks for infinities itself and skips the step
        broken = norms.layers.sums((~torch.isfinite(norms.of_parameters)).float()).tolist()
        names = [name for name, count in zip(norms.layers.names, broken, strict=True) if count]
        if names:
            known = {"layers": names[:NAMED], "broken": len(names), "total": len(norms.layers.names)}
            self.session.event("nonfinite", step=norms.step, where="gradient", **known)

    def _sample_weights(self, key: Key, named: list[tuple[str, Any]]) -> None:
        matrices = [(name, p.detach()) for name, p in named if p.ndim >= 2]
        if matrices:
            layers = Layers.around(name for name, _ in matrices)
            parameters = [p for _, p in matrices]
            values = [_sample(p).clone() for p in parameters]
            self._before.append(_Before(key, layers, parameters, values))

    @guarded
    def _compare(self, trainer: Trainer) -> None:
        self._notice_skipped(trainer)
        for before in self._before:
            now = [_sample(p) for p in before.parameters]
            moved = _norms([new.float() - old.float() for new, old in zip(now, before.values, strict=True)])
            size = _norms(before.values)
            ratio = (before.layers.sums(moved.square()) / before.layers.sums(size.square())).sqrt()
            self._table("gradient.update_ratio", before.layers).add(before.key, ratio)
        self._before.clear()

    def _notice_skipped(self, trainer: Trainer) -> None:
        """A gradient scaler lowers its scale exactly when it has skipped a step."""
        scaler = _scaler(trainer)
        if scaler is None or self.session is None:
            return
        scale = float(scaler.get_scale())
        if self._scale is not None and scale < self._scale:
            self.session.event("skipped_step", step=trainer.global_step)
        self._scale = scale

    def _table(self, name: str, layers: Layers) -> VectorBuffer:
        return self._tables.setdefault((name, layers.names), VectorBuffer(layers.names))

    def flush(self) -> None:
        """Hand over the layers' rows and name the layers of steps that were not finite."""
        assert self.session is not None  # noqa: S101 - only called during a run
        for (name, _), buffer in self._tables.items():
            self.session.rows(name, buffer.take())
        for norms in self._kept:
            self._name_broken(None, norms)
        self._kept.clear()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Measure gradients after the ranks have averaged them and before they are clipped."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        self._measure(trainer, pl_module, optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure how far the weights have moved."""
        self._compare(trainer)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def _scaler(trainer: Trainer) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)


def _sample(parameter: Tensor) -> Tensor:
    """Return at most `SAMPLED` elements, evenly spread, without a copy."""
    flat = parameter.reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLED)][:SAMPLED]


def _norms(tensors: list[Tensor]) -> Tensor:
    """Return the L2 norm of each tensor in float32; shape [len(tensors)], on the first one's device."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in map(torch.Tensor.detach, tensors)]
    kinds = {(t.device, t.dtype) for t in dense}
    # Half precision is summed up in float32; wider types keep their own.
    dtype = torch.float32 if {dtype for _, dtype in kinds} & {torch.float16, torch.bfloat16} else None
    if len(kinds) == 1:
        return torch.stack(torch._foreach_norm(dense, 2, dtype=dtype)).float()
    device = dense[0].device
    return torch.stack([torch.linalg.vector_norm(t).to(device, torch.float32) for t in dense])
