"""Gradient health: norms, non-finite values with their place, and how far each step moves the weights."""

from __future__ import annotations

import math
import os
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from .buffer import Key, VectorBuffer
from .layers import Layers, clean, norms_of, sharded, some
from .monitor import Monitor, guarded
from .purse import UPDATES
from .rounding import Rounding
from .schedule import Thinning
from .trace import Traced

SAMPLED = 4096  # elements of a parameter from which its update is estimated
NEVER = 20  # parameters that are named when no gradient reaches them
CLIPPED, LOST = ("gradient.clip_ratio",), ("gradient.lost_share",)
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

    def norms(self, sampled: Tensor) -> Tensor:
        """Return the norm of each layer from the norms of its samples."""
        parts = [p.numel() / max(1, v.numel()) for p, v in zip(self.parameters, self.values, strict=True)]
        return self.layers.sums(sampled.square() * sampled.new_tensor(parts)).sqrt()


class GradientMonitor(Monitor):
    """Record how large gradients and updates are, and where they stop being finite.

    Records:
        gradient.norm: L2 norm of all gradients before clipping, every optimizer step.
        gradient.layer_norm: The same for each layer, on a thinning schedule.
        gradient.update_ratio: Norm of a layer's update over the norm of its weights (matrices only).
        gradient.clip_ratio: Norm of all gradients after clipping over that before, on the same schedule.
        gradient.weight_norm: L2 norm of a layer's weights, estimated from the same sample as the update.
        gradient.lost_share: Share of half-precision elements with gradients that did not move in fifty steps.
        gradient.reach: Event with trainable parameters that no gradient has reached in twenty sampled steps.
        nonfinite: Event with step and layers, for each step with a NaN or infinite gradient.

    Metrics: `gradient.norm_p95`, `gradient.nonfinite_steps`.

    Norms stay on the device and are read together with the rest of the record, so a step does not wait.
    Steps that a gradient scaler skips are marked as skipped and do not count as non-finite.

    Args:
        nonfinite: `batch` names the layers when the record is next written; `locate` at once, which waits
            for the device every step.
        save_batch: Whether the batch of the first step that is not finite is saved in the run folder, as
            `batches/step-N.pt` for `torch.load`.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "gradient"
    account = UPDATES

    def __init__(
        self,
        *,
        nonfinite: Literal["batch", "locate"] = "batch",
        save_batch: bool = False,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if nonfinite not in PLACES:
            raise ValueError(f"nonfinite must be one of {', '.join(PLACES)}, got {nonfinite!r}")
        if not isinstance(save_batch, bool):
            raise ValueError(f"save_batch must be True or False, got {save_batch!r}")
        self.nonfinite, self.save_batch = nonfinite, save_batch
        self.skips = False  # steps whose gradients are not finite; AuditCallback's on_finding sets it
        self.due = Thinning()

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether whole gradients can be seen here."""
        self._kept: list[_Norms] = []
        self._before: list[_Before] = []
        self._tables: dict[tuple[str, tuple[str, ...]], VectorBuffer] = {}
        self._known: dict[tuple[int, int], list[tuple[str, Any]]] = {}
        self._unclipped: list[tuple[Key, Tensor, list[Any]]] = []
        self._reach = Reach(pl_module)
        self._traced = Traced(pl_module)
        self._rounding = Rounding()
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
        norms = norms_of([p.grad for _, p in named])
        raw, scaler = norms, _scaler(trainer)
        if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            norms = norms / scaler.get_scale()  # a fused optimizer unscales gradients itself, later
        total = torch.linalg.vector_norm(norms)
        self.session.put("gradient.norm", total)
        # Where that costs no wait, or where it is asked for, layers are named at once.
        if (self.nonfinite == "locate" or total.device.type == "cpu") and not math.isfinite(float(total)):
            self._look_for_broken(trainer, step, named, norms)
        if self.may_sample(step, self.due):
            with self.session.purse.spending(UPDATES):
                self._sample(step, named, norms, raw)

    def _named(self, pl_module: LightningModule, optimizer: Any) -> list[tuple[str, Any]]:
        """Return names and parameters of an optimizer, looked up again when it gets more of them."""
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        if (id(optimizer), count) not in self._known:
            chosen = {id(p) for group in optimizer.param_groups for p in group["params"]}
            found = [(name, p) for name, p in pl_module.named_parameters() if id(p) in chosen]
            self._known[id(optimizer), count] = found
        return self._known[id(optimizer), count]

    def _look_for_broken(self, trainer: Trainer, step: int, named: list[tuple[str, Any]], norms: Tensor) -> None:
        """Name the layers, and leave the step out if that is wanted."""
        self._name_broken(trainer, _Norms(step, Layers.around(name for name, _ in named), norms))
        if self.skips and _scaler(trainer) is None:
            self._skip(step, named)

    def _sample(self, step: int, named: list[tuple[str, Any]], norms: Tensor, raw: Tensor) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        key, layers = self.session.key(step), Layers.around(name for name, _ in named)
        if self.nonfinite == "batch" and norms.device.type != "cpu":
            self._kept.append(_Norms(step, layers, norms))
        self._table("gradient.layer_norm", layers).add(key, layers.sums(norms.square()).sqrt())
        self._unclipped.append((key, torch.linalg.vector_norm(raw), [p for _, p in named]))
        self._reach.note([name for name, _ in named], norms)
        self._sample_weights(key, named)

    def _name_broken(self, trainer: Trainer | None, norms: _Norms) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        if trainer is not None and _scaler(trainer) is not None:
            return  # the scaler looks for infinities itself and skips the step
        broken = norms.layers.sums((~torch.isfinite(norms.of_parameters)).float()).tolist()
        names = [name for name, count in zip(norms.layers.names, broken, strict=True) if count]
        if names:
            known = {"layers": names[:NAMED], "broken": len(names), "total": len(norms.layers.names)}
            trace = {} if trainer is None else self._traced.trace(trainer, self.session, save=self.save_batch)
            self.session.event("nonfinite", step=norms.step, where="gradient", **known, **trace)

    def _skip(self, step: int, named: list[tuple[str, Any]]) -> None:
        """Leave the optimizer nothing to step with."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        for _, parameter in named:
            parameter.grad = None
        self.session.event("skipped_batch", step=step)

    def _sample_weights(self, key: Key, named: list[tuple[str, Any]]) -> None:
        matrices = [(name, p.detach()) for name, p in named if p.ndim >= 2]
        if not matrices:
            return
        layers = Layers.around(name for name, _ in matrices)
        if any(before.key[1] == key[1] and before.layers.names == layers.names for before in self._before):
            return  # LBFGS calls its closure again, from places in between
        parameters = [p for _, p in matrices]
        values = [some(p, SAMPLED).clone() for p in parameters]
        self._before.append(_Before(key, layers, parameters, values))
        self._rounding.before(key[1], [p for _, p in named if p.ndim >= 2], values)

    @guarded
    def _compare(self, trainer: Trainer) -> None:
        self._notice_skipped(trainer)
        if self.session is not None and (self._before or self._unclipped):
            with self.session.purse.spending(UPDATES):
                self._compare_weights()
                self._compare_lengths()

    def _compare_weights(self) -> None:
        """Compare the weights with those before the step."""
        for before in self._before:
            now = [some(p, SAMPLED) for p in before.parameters]
            moved = norms_of([new.float() - old.float() for new, old in zip(now, before.values, strict=True)])
            size = norms_of(before.values)
            ratio = (before.layers.sums(moved.square()) / before.layers.sums(size.square())).sqrt()
            self._table("gradient.update_ratio", before.layers).add(before.key, ratio)
            self._table("gradient.weight_norm", before.layers).add(before.key, before.norms(size))
        lost = self._rounding.after(self._before[-1].key[1]) if self._before else None
        if lost is not None:
            self._one("rounding", LOST).add(self._before[-1].key, lost.reshape(1))
        self._before.clear()

    def _compare_lengths(self) -> None:
        """Compare the gradients, which still lie there, with what they were before clipping."""
        for key, norm, parameters in self._unclipped:
            left = [p.grad for p in parameters if p.grad is not None]
            if left:
                ratio = torch.linalg.vector_norm(norms_of(left)) / norm
                self._one("clipping", CLIPPED).add(key, ratio.reshape(1))
        self._unclipped.clear()

    def _notice_skipped(self, trainer: Trainer) -> None:
        """A gradient scaler lowers its scale exactly when it has skipped a step."""
        scaler = _scaler(trainer)
        if scaler is None or self.session is None:
            return
        scale = float(scaler.get_scale())
        if self._scale is not None and scale < self._scale:
            self.session.event("skipped_step", step=trainer.global_step, scale=scale)
        self._scale = scale

    def _table(self, name: str, layers: Layers) -> VectorBuffer:
        return self._one(name, layers.names)

    def _one(self, name: str, columns: tuple[str, ...]) -> VectorBuffer:
        return self._tables.setdefault((name, columns), VectorBuffer(columns))

    def flush(self) -> None:
        """Hand over the layers' rows and name the layers of steps that were not finite."""
        assert self.session is not None  # noqa: S101 - only called during a run
        for (name, _), buffer in self._tables.items():
            self.session.rows(name, buffer.take())
        for norms in self._kept:
            self._name_broken(None, norms)
        self._kept.clear()
        never = self._reach.news()
        if never is not None:
            self.session.event("gradient.reach", never=never[:NEVER], count=len(never), steps=self._reach.steps)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Measure gradients after the ranks have averaged them and before they are clipped."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        self._measure(trainer, pl_module, optimizer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remember what the step is given."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if self.session is not None and not self.off:
            self._traced.hold(batch, batch_idx)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure how far the weights have moved."""
        self._compare(trainer)
        if self.session is not None and not self.off:
            self._traced.let_go()
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class Reach:
    """Which trainable parameters a gradient has reached, in sampled steps."""

    ENOUGH = 20

    def __init__(self, module: LightningModule) -> None:
        self.steps = 0
        self._parameters = [(clean(name), p) for name, p in module.named_parameters()]
        self._waits: dict[str, int] = {}
        self._norms: dict[tuple[str, ...], Tensor] = {}
        self._told: list[str] | None = None

    def note(self, names: list[str], norms: Tensor) -> None:
        """Take the norms of the gradients that there are; shape [len(names)]."""
        self.steps += 1
        key = tuple(names)
        self._norms[key] = torch.maximum(self._norms[key], norms) if key in self._norms else norms
        for name, parameter in self._parameters:
            if parameter.requires_grad:
                self._waits[name] = self._waits.get(name, 0) + 1

    def news(self) -> list[str] | None:
        """Return the parameters that have waited in vain, when that has changed; None when it has not."""
        if self.steps < self.ENOUGH:
            return None
        reached = {
            clean(name)
            for names, norms in self._norms.items()
            for name, norm in zip(names, norms.tolist(), strict=True)
            if norm != 0
        }
        never = [name for name, steps in self._waits.items() if steps >= self.ENOUGH and name not in reached]
        changed = never != self._told
        self._told = never
        return never if changed else None


def _scaler(trainer: Trainer) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)
