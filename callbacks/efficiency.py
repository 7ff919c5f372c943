"""Speed of a training: examples and tokens a second, operations, waiting for data, memory."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from ..audit.series import Rows
from .compiling import COMPILED, compiled
from .efficiency_facts import facts
from .flop_tally import FlopTally
from .layers import sharded
from .monitor import Monitor, guarded
from .occupancy import Occupancy
from .phases import CHECKPOINT, TRAINING, VALIDATION
from .purse import SAMPLES
from .stalls import Stalls
from .tokens import TokenCounter
from .waits import Waits, events_of

NOTE_S = 50.0  # with the flush every 10 s, a kill loses a minute at most
ROW_S = 1.0
COLUMNS = (
    "efficiency.samples_per_s",
    "efficiency.tokens_per_s",
    "efficiency.flop_per_s",
    "efficiency.data_wait_share",
)


class EfficiencyMonitor(Monitor):
    """Measure how fast a training goes and what it waits for, without waiting for the device at any step.

    Floating-point operations are counted in a few of the run's own steps, forward and backward, on each rank; nothing
    is called a second time. Compiled models cannot be counted so: where tokens are known, the audit estimates them.

    Records:
        efficiency.samples_per_s: Examples a second since the row before, about every ten seconds.
        efficiency.tokens_per_s: Tokens a second since the row before; NaN where the batches show none.
        efficiency.flop_per_s: Operations of the model a second since the row before, on this rank.
        efficiency.data_wait_share: Share of the time since the row before in which training waited for data.
        efficiency: Event with this rank's totals since the attempt began; the last of each attempt and rank counts.
        efficiency.facts: Event with what the speed depends on: precision, loader, optimizers, device.

    Metrics: `efficiency.*`.

    Args:
        tokens: Returns how many tokens a batch holds. By default the ones of its `attention_mask`, else the elements
            of its `input_ids`, else those of its first tensor, if all tensors in the batch are integers of its shape
            [batch, length].
        peak_flop_per_s: What one of the devices can do at most, without sparsity, in the type of number that is
            used (FLOP/s). By default from a table of data sheets, where the device is in it.
        count_flop: Whether operations are counted.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "efficiency"

    def __init__(
        self,
        *,
        tokens: Callable[[Any], int] | None = None,
        peak_flop_per_s: float | None = None,
        count_flop: bool = True,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if tokens is not None and not callable(tokens):
            raise ValueError(f"tokens must be a function from a batch to a whole number or None, got {tokens!r}")
        if peak_flop_per_s is not None and not _positive(peak_flop_per_s):
            raise ValueError(f"peak_flop_per_s must be a positive number or None, got {peak_flop_per_s!r}")
        if not isinstance(count_flop, bool):
            raise ValueError(f"count_flop must be True or False, got {count_flop!r}")
        self.tokens, self.peak_flop_per_s, self.count_flop = tokens, peak_flop_per_s, count_flop
        self._tally: FlopTally | None = None

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the facts and begin to wait for the first batch."""
        assert self.session is not None  # noqa: S101 - entered before
        device = trainer.strategy.root_device
        self._counter = TokenCounter(self.tokens)
        self._tally = FlopTally(self._uncountable(trainer, pl_module), device)
        self._occupancy = Occupancy(device)
        self._waits = Waits(events_of(device))
        self._stalls = Stalls()
        self._hidden = "dataloader_iter" in _step_parameters(pl_module)
        self._step, self._batches = trainer.global_step, 0
        self._look = True  # at which parameters are trained
        self._noted_s = 0.0
        self._row_s, self._known = 0.0, [(0.0, 0.0)] * len(COLUMNS)
        self._ended: dict[str, float] | None = None
        self.session.phases.listeners.append(self._phase_changed)
        self.session.event("efficiency.facts", **facts(trainer, pl_module), peak_flop_per_s=self.peak_flop_per_s)
        self._waits.ended(self._own_s())

    def _uncountable(self, trainer: Trainer, pl_module: LightningModule) -> str:
        if not self.count_flop:
            return "count_flop is off"
        return sharded(trainer.strategy, pl_module) or (COMPILED if compiled(pl_module) else "")

    def _own_s(self) -> float:
        """Return what all measuring has cost so far."""
        session = self.session
        return 0.0 if session is None else session.seconds + sum(monitor.seconds for monitor in session.monitors)

    @guarded
    def _began(self, batch: Any, batch_idx: int, parameters: Iterable[Tensor]) -> None:
        assert self.session is not None and self._tally is not None  # noqa: S101 - only called while measuring
        own, first = self._own_s(), batch_idx == 0 or not self._batches
        self._waits.began(own, first=first)
        self._stalls.began(own, first=first)
        self._batches += 1
        self._counter.add(batch)
        if batch_idx == 0 or self._look:
            self._look = False
            self._tally.trains(parameters)
        self._tally.began(batch, self._affordable)

    def _affordable(self) -> bool:
        return self.session is not None and self.session.purse.left(SAMPLES) >= 0

    @guarded
    def _over(self, step: int) -> None:
        assert self.session is not None and self._tally is not None  # noqa: S101 - only called while measuring
        own = self._own_s()
        self._waits.ended(own)
        self._stalls.ended(own, step)
        self._step = step
        before = self._tally.seconds
        self._tally.ended()
        self.seconds += self._tally.seconds - before
        self.session.purse.spent[SAMPLES] += self._tally.seconds - before

    @guarded
    def _phase_changed(self) -> None:
        assert self.session is not None and self._tally is not None  # noqa: S101 - only called while measuring
        self._tally.leave()  # a batch that the module skipped has no end
        self._stalls.interrupted()
        if self.session.phases.current == TRAINING:
            self._waits.ended(self._own_s())
        else:
            self._waits.interrupted()

    def flush(self) -> None:
        """Take readings, write a row, and now and then the totals."""
        assert self.session is not None  # noqa: S101 - only called during a run
        self._look = True
        self._counter.settle()
        self._waits.settle()
        self._occupancy.read()
        seconds = self.session.phases.seconds
        self._write_row(seconds, ROW_S)
        passed = _fit_s(seconds)
        # Early and ever rarer, so that what is killed young has told something too.
        if self._batches and passed - self._noted_s >= min(NOTE_S, passed / 2):
            self._note(seconds)

    def _sums(self) -> list[float]:
        """Return what the series are rates of, NaN where it is not known."""
        flop = sum(self._tally.total().values()) if self._tally is not None else 0.0
        waited = math.nan if self._hidden else self._waits.waited_s
        return [_or_nan(self._counter.samples), _or_nan(self._counter.tokens), flop or math.nan, waited]

    def _write_row(self, seconds: dict[str, float], least_s: float) -> None:
        now = _fit_s(seconds)
        if self.session is None or now - self._row_s < least_s or not self._step:
            return
        sums = self._sums()
        rates = [(value - last) / (now - since) for value, (since, last) in zip(sums, self._known, strict=True)]
        self.session.rows("efficiency", Rows.of(COLUMNS, [self.session.key(self._step)], [rates]))
        self._row_s = now
        # What is not known yet will be told of all the time since it was.
        known = zip(sums, self._known, strict=True)
        self._known = [before if math.isnan(value) else (now, value) for value, before in known]

    def _note(self, seconds: dict[str, float]) -> None:
        if self.session is not None:
            self._noted_s = _fit_s(seconds)
            self.session.event("efficiency", at_step=self._step, **self._document(seconds))

    def _document(self, seconds: dict[str, float]) -> dict[str, Any]:
        assert self._tally is not None  # noqa: S101 - only called while measuring
        tally, counter, waits = self._tally, self._counter, self._waits
        flop = tally.total()
        return {
            "batches": self._batches,
            "seconds": seconds,
            "samples": counter.samples,
            "no_samples": counter.no_samples or None,
            "tokens": counter.tokens,
            "tokens_method": counter.how,
            "no_tokens": counter.no_tokens or None,
            "waited_s": None if self._hidden else waits.waited_s,
            "startup_s": waits.startup_s,
            "epochs": waits.epochs,
            "stalls": self._stalls.document(),
            "flop": flop or None,
            "no_flop": tally.reason or (None if flop else "the run ended before a step was counted"),
            "counted_batches": tally.steps,
            "scaled_batches": tally.scaled_batches,
            "varied_batches": tally.varied_batches,
            "recomputed": tally.recomputed,
            "uncounted": sorted(tally.missing),
            **self._occupancy.document(),
        }

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the time of the last step: what comes after it is the audit's."""
        if self.session is not None:
            self._ended = self.session.phases.seconds

    def close(self) -> None:
        """Note the last totals and leave no counter behind in a run that broke within a step."""
        self._leave()
        if self.session is not None and not self.off and self._batches:
            seconds = self._ended or self.session.phases.seconds
            self._write_row(seconds, 1e-9)
            self._note(seconds)

    def _leave(self) -> None:
        if self._tally is not None:
            self._tally.leave()
        listeners = self.session.phases.listeners if self.session is not None else []
        if self._phase_changed in listeners:
            listeners.remove(self._phase_changed)

    def fail(self, error: Exception) -> None:
        """Count no more before the monitor is off."""
        self._leave()
        super().fail(error)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """End the wait and count the batch."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self._began(batch, batch_idx, pl_module.parameters())

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Count nothing of the update."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        if self._tally is not None:
            self._tally.updating()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begin to wait."""
        self._over(trainer.global_step)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def __getstate__(self) -> dict[str, Any]:
        transient = ("_tally", "_counter", "_waits", "_stalls", "_occupancy")
        return super().__getstate__() | dict.fromkeys(transient)


def _fit_s(seconds: dict[str, float]) -> float:
    """Return the seconds of the fit itself: what the audit asked of the model is not among them."""
    return seconds[TRAINING] + seconds[VALIDATION] + seconds[CHECKPOINT]


def _step_parameters(pl_module: LightningModule) -> list[str]:
    return list(inspect.signature(pl_module.training_step).parameters)


def _or_nan(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
