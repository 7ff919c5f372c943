"""What the model makes of training examples: how far apart they are, batch norm in both modes, a simple reference."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from .arguments import takes
from .averaging import VALIDATION, averages
from .batches import batch_size, bytes_of, first_tensor, plain, tensors_of
from .compiling import COMPILED, compiled, compiled_frames
from .isolation import isolated
from .last_layer import LastLayer, Passed, rows_of
from .layers import clean, sharded
from .monitor import Monitor, MonitorError, guarded
from .norm_modes import both_modes, norms
from .probe import Probe
from .purse import PROBES
from .reference import compared, labels
from .spectrum import Spectrum
from .validation_step import Lap, ValidationStep

EXAMPLES = 512  # that are kept
ROOM = 32 * 2**20  # bytes of them
BATCHES = 128
SEEN = 256  # examples of which representations and both modes are looked at
END_S = 0.5  # what the last look may take
SHARE = 0.25  # of what is left for probes, that one look may take
SLOW = "to ask validation_step about a batch takes longer than the budget allows: raise overhead_budget="
FUNCTION = "a function is compiled in this process: to watch it would compile it once more"


class RepresentationMonitor(Monitor):
    """Ask `validation_step` about the first training batches, at validations and after the last step.

    Everything is put back, as `OverfittingMonitor` does it. Nothing is asked where several ranks train: the step may
    wait for the others.

    Records:
        representation: Event with the spectrum of what the last weighted layer was given and gave, and, where the
            model has batch norm, with the loss in eval mode and the loss with nothing but the batch norms in training
            mode.
        reference: Event with the model's error on the probe and the leave-one-out error of a simple reference method.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "representation"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether the step can be asked."""
        self._probe, self._examples = Probe(BATCHES, ROOM), 0
        self._lap = Lap()
        reason = _hindrance(trainer, pl_module)
        if reason:
            self.switch_off(reason)

    @guarded
    def _keep(self, batch: Any) -> None:
        first = first_tensor(batch)
        if first is None or not plain(first) or bytes_of(batch) > ROOM:  # nor objects whose size nobody knows
            return
        self._probe.offer(batch)
        self._examples += batch_size(batch)

    @guarded
    def _look(self, trainer: Trainer, pl_module: LightningModule, *, last: bool = False) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        seconds = END_S if last else SHARE * self.session.purse.left(PROBES)
        if not self._probe.batches or seconds <= 0:
            return
        least_s = self._lap.seconds * (2 if norms(pl_module) else 1)
        if least_s > max(seconds, SHARE * self.session.purse.left(PROBES)):
            if last:
                self.session.not_checked("what the model makes of training examples", SLOW)
            return
        if compiled_frames():
            self.switch_off(FUNCTION)
            return
        with self.session.purse.spending(PROBES), isolated(pl_module) as logged:
            asking = _Asking(ValidationStep(trainer, pl_module, logged), pl_module, seconds)
            try:
                self._tell(asking, trainer.global_step, last=last)
            except MonitorError as error:
                self.switch_off(str(error))

    def _tell(self, asking: _Asking, step: int, *, last: bool) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        batches, few = self._probe.batches, _first(self._probe.batches)
        said, seen = asking.about(batches if last else few)
        few = few[: len(seen)]
        told = _spectra(seen[: len(few)], few)
        normed = norms(asking.module)
        both = both_modes(normed, few, said[: len(few)], lambda: asking.again(few)) if normed else None
        if told or both:
            self.session.event("representation", step=step, **told, **({"batch_norm": both} if both else {}))
        found = _reference(seen, batches[: len(seen)]) if last else None
        if found:
            self.session.event("reference", step=step, frozen=_frozen(asking.module), **found)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last weights."""
        self._look(trainer, pl_module, last=True)

    def close(self) -> None:
        """Let go of the batches."""
        self._probe = Probe(BATCHES, ROOM)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Copy the first training batches as they pass."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if self.session is not None and not self.off and self._examples < EXAMPLES and not self._probe.full:
            self._keep(batch)

    def on_validation_batch_start(self, *_: Any) -> None:
        """Time a batch."""
        if self.session is not None and not self.off:
            self._lap.began()

    def on_validation_batch_end(self, *_: Any) -> None:
        """Time a batch."""
        if self.session is not None and not self.off:
            self._lap.ended()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the weights of this validation."""
        super().on_validation_end(trainer, pl_module)
        self._look(trainer, pl_module)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_probe": None, "_lap": None}


class _Asking:
    """Asks the isolated step and watches what passes, for so many seconds.

    What the step draws at random, it draws alike each time: isolated, the run's own random numbers stay as they are.
    """

    def __init__(self, step: ValidationStep, module: LightningModule, seconds: float) -> None:
        self.module, self._step, self._seconds = module, step, seconds
        weights = {id(p): clean(name).rpartition(".")[0] for name, p in module.named_parameters()}
        self._names = weights | {id(norm.running_mean): name for name, norm in norms(module).items()}

    def about(self, batches: Sequence[Any]) -> tuple[list[Any], list[Passed]]:
        """Return what the step says and what passes, of at least one batch and of as many as there is time for."""
        torch.manual_seed(0)
        began, said, seen = time.monotonic(), [], []
        for index, batch in enumerate(batches):
            with LastLayer(self._names, batch_size(batch)) as watch:
                said.append(self._step.ask(batch, index)[0])
            seen.append(_of_the_batch(watch.keep(), batch))
            if time.monotonic() - began > self._seconds:
                break
        return said, seen

    def again(self, batches: Sequence[Any]) -> tuple[list[Any], list[dict[str, Tensor]]]:
        """Return what the step says of batches that it was asked about before, and the drift of the batch norms."""
        self._seconds = float("inf")
        said, seen = self.about(batches)
        return said, [one.drift for one in seen]


def _of_the_batch(passed: Passed, batch: Any) -> Passed:
    """Keep the target only where it is in the batch: views of examples, and places in it, are no labels.

    Where no loss was seen, numbers in the batch that are shaped as the output are taken for what it is to predict.
    """
    predicted, target = passed.predicted, passed.target
    if target is None:
        others = list(tensors_of(batch))[1:] if predicted is not None else []
        like = (o for o in others if o.is_floating_point() and predicted is not None and o.shape == predicted.shape)
        passed.target = next(like, None)
    else:
        wanted = target.cpu().flatten()
        flat = (found.detach().cpu().flatten() for found in tensors_of(batch) if found.numel() == wanted.numel())
        if not any(torch.equal(found.to(wanted.dtype), wanted) for found in flat):
            passed.target = None
        elif predicted is not None and predicted.ndim == 2:  # more than the last layer's output, with adapters
            passed.output, passed.dense = rows_of(predicted, convolved=False), False
    return passed


def _hindrance(trainer: Trainer, pl_module: LightningModule) -> str:
    if compiled(pl_module):
        return COMPILED
    if trainer.world_size > 1:
        return "several ranks train: validation_step may wait for the others"
    if not trainer.enable_validation:
        return "the run has no validation loop"
    if takes(pl_module.validation_step, "dataloader_iter"):
        return "validation_step takes dataloader_iter: it cannot be given a batch"
    if averages(trainer, VALIDATION):
        return "validation runs with averaged weights, which are gone when the step could be asked"
    return sharded(trainer.strategy, pl_module)


def _first(batches: Sequence[Any]) -> list[Any]:
    """Return the first batches, up to `SEEN` examples."""
    few: list[Any] = []
    for batch in batches:
        if sum(map(batch_size, few)) >= SEEN:
            break
        few.append(batch)
    return few


def _spectra(seen: Sequence[Passed], batches: Sequence[Any]) -> dict[str, Any]:
    """Return the spectrum of the last layer's input and output, and how many examples differ."""
    seen = [one for one in seen if one.layer == seen[0].layer and one.hidden is not None]
    inputs = [found for batch in batches if (found := first_tensor(batch)) is not None and found.ndim]
    if not seen or not inputs:
        return {}
    sides = {"hidden": [one.hidden for one in seen], "output": [one.output for one in seen]}
    spectra = {side: Spectrum.of(torch.cat([p for p in parts if p is not None])) for side, parts in sides.items()}
    if any(spectrum is None for spectrum in spectra.values()):
        return {}
    rows = {row.contiguous().numpy().tobytes() for part in inputs for row in part.float().cpu()}
    first = inputs[0].flatten(1).float() if inputs[0].ndim > 1 else None
    raw = first is not None and torch.equal(rows_of(first, convolved=False).cpu(), seen[0].hidden.cpu())  # type: ignore[union-attr]
    told = {
        "layer": seen[0].layer,
        "raw": raw,
        "supervised": seen[0].target is not None,
        "dense": seen[0].dense,
        **_target(seen),
    }
    return told | {"distinct": len(rows)} | {side: asdict(one) for side, one in spectra.items() if one is not None}


def _frozen(module: nn.Module) -> float:
    """Return the share of the weights that is not trained."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(size for size, trained in sizes if not trained) / max(1, sum(size for size, _ in sizes))


def _target(seen: Sequence[Passed]) -> dict[str, float | None]:
    """Return how many directions numbers to be predicted use and how far they are apart; None without any."""
    numbers = [
        o.target.flatten(1)
        for o in seen
        if o.target is not None and o.target.is_floating_point() and o.target.ndim > 1 and not labels(o.target)
    ]
    found = Spectrum.of(torch.cat(numbers)) if numbers and len({part.shape[1] for part in numbers}) == 1 else None
    if found is None:
        return {"target_rank": None, "target_turn": None}
    return {"target_rank": found.effective_rank, "target_turn": found.turn}


def _reference(seen: Sequence[Passed], batches: Sequence[Any]) -> dict[str, Any] | None:
    """Return how the model compares with a simple method, where it predicts a class or numbers for each example."""
    columns = [first_tensor(batch) for batch in batches], [o.predicted for o in seen], [o.target for o in seen]
    known = [[part.cpu() for part in parts if part is not None] for parts in columns]
    if any(len(parts) < len(seen) for parts in known):
        return None
    if any(len({part.shape[1:] for part in parts}) > 1 for parts in known):  # sequences of several lengths
        return None
    inputs, predicted, target = map(torch.cat, known)
    found = compared(inputs, predicted, target)
    return None if found is None else asdict(found)
