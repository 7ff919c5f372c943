"""The callback that observes a training for the peers, beside the audit and without touching it or the run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from ..layers import NON_LINEAR
from .observed import Observed

EVERY = 10  # optimizer steps between samples; every peer gets the same
RANGES = 10  # first samples of which the gradients' percentiles are taken
SOME = 1024  # elements that those are taken of
FLAT = {nn.Tanh: (-9.4999, 9.4999), nn.Sigmoid: (-23.0, 16.99999)}  # where the slope is below 1e-7
OF_WEIGHTS = ("mean", "norm", "zeros", "range", "weight_norm", "variance", "change")
FIELDS = {"mean": "gradient_mean", "norm": "gradient_norm", "zeros": "gradient_zeros", "range": "gradient_range",
          "variance": "weight_variance", "change": "weight_change"}  # fmt: skip
OF_ACTIVATIONS = ("input_variance", "input_beyond", "saturated", "silent", "dead")


class PeerRecorder(L.Callback):
    """Keep what peers look at. Reads tensors only: no random number is drawn and nothing is logged."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = defaultdict(list)
        self._tables: dict[str, list[Any]] = defaultdict(list)
        self._weights: dict[str, nn.Parameter] = {}
        self._active: list[nn.Module] = []
        self._before: dict[str, Tensor] = {}
        self._row: dict[str, dict[str, Tensor]] = {}
        self._seen: dict[int, list[Tensor]] = {}
        self._hooks: list[Any] = []
        self._sampling = False
        self._output: Tensor | None = None
        self._validated: list[tuple[Tensor, int]] = []
        self._labels = self._hits = torch.zeros(0)
        self._input_mean = torch.tensor(torch.nan)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find out what there is to look at."""
        self._weights = {name: p for name, p in pl_module.named_parameters() if p.ndim >= 2 and p.requires_grad}
        self._active = [part for part in pl_module.modules() if isinstance(part, NON_LINEAR)]
        self._whole = pl_module.register_forward_hook(self._keep_output)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """In a sampled step, look at activations as they come."""
        self._output = None
        if not self._columns["batch"] and batch[0].is_floating_point():
            self._input_mean = batch[0].mean()
        self._sampling = trainer.global_step % EVERY == 0
        if self._sampling:
            self._hooks = [
                part.register_forward_hook(self._watcher(place)) for place, part in enumerate(self._active)
            ]

    def _keep_output(self, _: Any, __: Any, output: Any) -> None:
        if self._output is None and isinstance(output, Tensor):  # the audit's own probes come later
            self._output = output.detach()

    def _watcher(self, place: int) -> Any:
        def watch(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            if place not in self._seen:
                self._seen[place] = _of_activation(module, given[0].detach(), output.detach())

        return watch

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: Any, optimizer: Any) -> None:
        """In a sampled step, look at gradients before they are clipped, and at the weights."""
        if not self._sampling:
            return
        self._rate = float(optimizer.param_groups[0]["lr"])
        for name, weight in self._weights.items():
            if weight.grad is not None:
                self._row[name] = _of_weight(weight, percentiles=len(self._tables["step"]) < RANGES)
                self._before[name] = weight.detach().clone()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss and the answers; in a sampled step, see how far weights have moved."""
        self._columns["batch"].append(batch_idx)
        self._columns["epoch"].append(trainer.current_epoch)
        if isinstance(outputs, dict) and "loss" in outputs:
            self._columns["loss"].append(outputs["loss"].detach().float())
        self._answer(pl_module, batch)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        if self._row:
            self._close_row(trainer.global_step)

    def _close_row(self, step: int) -> None:
        for name, before in self._before.items():
            self._row[name]["change"] = torch.linalg.vector_norm(self._weights[name].detach() - before)
        missing = torch.tensor(torch.nan)
        for key in OF_WEIGHTS:
            self._tables[key].append([self._row.get(name, {}).get(key, missing) for name in self._weights])
        nothing = [missing] * len(OF_ACTIVATIONS)
        seen = [self._seen.get(place, nothing) for place in range(len(self._active))]
        for key, values in zip(OF_ACTIVATIONS, zip(*seen, strict=True) if seen else [()] * 5, strict=True):
            self._tables[key].append(list(values))
        self._tables["step"].append(step)
        self._tables["rate"].append(self._rate)
        self._row, self._before, self._seen = {}, {}, {}

    def _answer(self, module: Any, batch: Any) -> None:
        targets, classes = batch[1], getattr(module, "classes", 1)
        if not _classifies(self._output, targets, classes):
            return
        hit = self._output.argmax(dim=-1) == targets  # type: ignore[union-attr]
        self._columns["right"].append(hit.sum())
        self._columns["asked"].append(hit.numel())
        if targets.ndim == 1:
            if not self._labels.numel():
                self._labels, self._hits = torch.zeros(classes), torch.zeros(classes)
            self._labels += torch.bincount(targets, minlength=classes)
            self._hits += torch.bincount(targets[hit], minlength=classes)

    def on_validation_batch_start(self, *_: Any) -> None:
        """Forget what training said."""
        self._output = None

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        """Keep the answers."""
        if _classifies(self._output, batch[1], getattr(pl_module, "classes", 1)):
            hit = self._output.argmax(dim=-1) == batch[1]  # type: ignore[union-attr]
            self._validated.append((hit.sum(), hit.numel()))

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Keep the accuracy of the whole."""
        right, asked = (sum(part) for part in zip(*self._validated, strict=True)) if self._validated else (0, 0)
        self._validated = []
        self._columns["val_step"].append(trainer.global_step)
        self._columns["val_right"].append(float(right) / asked if asked else np.nan)

    def observed(self) -> Observed:
        """Return what has been kept, of a run that ended in whatever way."""
        batches, samples = len(self._columns["batch"]), len(self._tables["step"])
        unknown = np.full(batches, np.nan)
        whole = len(self._columns["asked"]) == batches
        wide = {FIELDS.get(key, key): _table(self._tables[key], samples) for key in (*OF_WEIGHTS, *OF_ACTIVATIONS)}
        return Observed(
            step=np.array(self._tables["step"], dtype=np.int64),
            rate=np.array(self._tables["rate"], dtype=float),
            **wide,
            kind=np.array([type(part).__name__ for part in self._active], dtype=str),
            loss=np.array([float(loss) for loss in self._columns["loss"]]),
            batch=np.array(self._columns["batch"], dtype=np.int64),
            epoch=np.array(self._columns["epoch"], dtype=np.int64),
            right=np.array([float(n) for n in self._columns["right"]]) if whole else unknown,
            asked=np.array(self._columns["asked"], dtype=float) if whole else unknown,
            val_step=np.array(self._columns["val_step"], dtype=np.int64),
            val_right=np.array(self._columns["val_right"], dtype=float),
            labels=self._labels.numpy().astype(float),
            hits=self._hits.numpy().astype(float),
            input_mean=np.array(float(self._input_mean)),
        )


def _classifies(output: Tensor | None, targets: Any, classes: int) -> bool:
    if output is None or not isinstance(targets, Tensor) or targets.is_floating_point() or classes < 2:
        return False
    return output.shape == (*targets.shape, classes)


def _of_weight(weight: nn.Parameter, *, percentiles: bool) -> dict[str, Tensor]:
    values, gradient = weight.detach().float(), weight.grad.float()  # type: ignore[union-attr]
    found = {
        "mean": gradient.abs().mean(),
        "norm": torch.linalg.vector_norm(gradient),
        "zeros": 1 - torch.count_nonzero(gradient) / gradient.numel(),
        "weight_norm": torch.linalg.vector_norm(values),
        "variance": values.var(correction=0),
    }
    if percentiles:
        flat = gradient.flatten()
        some = flat[:: max(1, flat.numel() // SOME)][:SOME].sort().values
        found["range"] = some[int(0.95 * (len(some) - 1))] - some[int(0.05 * (len(some) - 1))]
    return found


def _of_activation(module: nn.Module, given: Tensor, output: Tensor) -> list[Tensor]:
    """Return what `OF_ACTIVATIONS` names; units are along the second dimension of images, else the last."""
    given, output = given.float(), output.float()
    along = 1 if output.ndim == 4 else output.ndim - 1
    others = [dimension for dimension in range(output.ndim) if dimension != along]
    low, high = FLAT.get(type(module), (-torch.inf, torch.inf))
    flat = ((given < low) | (given > high)).float().mean(dim=others)
    above = (output > 0).float()
    return [
        given.var(correction=0),
        (given.abs() > 5).float().mean(),
        (flat >= 0.99).float().mean(),
        1 - above.mean(),
        (above.mean(dim=others) < 0.01).float().mean(),
    ]


def _table(rows: list[list[Tensor]], samples: int) -> np.ndarray:
    flat = [torch.stack([value.float() for value in row]) if row else torch.zeros(0) for row in rows]
    return torch.stack(flat).double().numpy() if flat else np.zeros((samples, 0))
