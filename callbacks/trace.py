"""Which batch a step was given: its place, its examples, and where in the step it went wrong."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from .layers import clean
from .replay import birthplace

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

IDS = ("id", "ids", "idx", "index", "indices", "sample_id")  # keys under which data sets name their examples
MOST_IDS = 100


class Traced:
    """The batch of the step in progress; the first one that goes wrong is replayed."""

    def __init__(self, module: LightningModule) -> None:
        self._module = module
        self._names = {id(p): clean(name).rpartition(".")[0] for name, p in module.named_parameters()}
        self._batch: Any = None
        self._batch_idx = 0
        self._state = torch.empty(0)
        self._replayed = False

    def hold(self, batch: Any, batch_idx: int) -> None:
        """Remember a batch, not a copy of it, and torch's random state."""
        self._batch, self._batch_idx, self._state = batch, batch_idx, torch.get_rng_state()

    def let_go(self) -> None:
        """Forget the batch."""
        self._batch = None

    def trace(self, trainer: Trainer, session: Session, *, save: bool) -> dict[str, Any]:
        """Return the place of the batch, the ids of its examples and, the first time, where it went wrong."""
        known: dict[str, Any] = {
            "batch_idx": self._batch_idx,
            "epoch": trainer.current_epoch,
            "ids": _ids(self._batch),
        }
        if self._replayed or self._batch is None:
            return known
        self._replayed = True
        if save:
            known["saved"] = self._save(trainer, session)
        return known | {"born": self._born(trainer)}

    def _born(self, trainer: Trainer) -> str | None:
        if not self._module.automatic_optimization or trainer.world_size > 1:
            return None  # a step by hand would step again; one that waits for other ranks would wait for ever
        try:
            return birthplace(trainer, self._module, self._batch, self._batch_idx, self._state, self._names)
        except Exception as error:
            log.debug("groundwire: the step could not be replayed", exc_info=error)
            return None

    def _save(self, trainer: Trainer, session: Session) -> str | None:
        name = f"batches/step-{trainer.global_step + 1}-r{session.rank}.pt"
        content = io.BytesIO()
        try:
            torch.save(self._batch, content)
            session.folder.write(name, content.getvalue())
        except Exception as error:  # noqa: BLE001 - a batch may hold anything, a disk may be full
            log.warning("groundwire: the batch could not be saved (%s)", error)
            return None
        return name


def _ids(batch: Any) -> list[Any]:
    if not isinstance(batch, Mapping):
        return []
    found = next((batch[key] for key in IDS if key in batch), None)
    values = found.flatten()[:MOST_IDS].tolist() if isinstance(found, Tensor) else found
    return list(values)[:MOST_IDS] if isinstance(values, list | tuple) else []
