"""Short trainings with the monitor alone, and what it says of them."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import lightning as L
from groundwire.audit.efficiency import measure
from groundwire.audit.model import Metric
from groundwire.audit.record import Record
from groundwire.callbacks.efficiency import EfficiencyMonitor


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep Lightning quiet."""
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def fit(module: L.LightningModule, loader: Any, *callbacks: L.Callback, epochs: int = 1) -> None:
    """Train on the CPU, with nothing else that takes time."""
    with tempfile.TemporaryDirectory() as folder, silence():
        options: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": folder}
        trainer = L.Trainer(**options, **quiet, max_epochs=epochs, callbacks=list(callbacks))
        trainer.fit(module, loader)


def measured(module: L.LightningModule, loader: Any) -> tuple[dict[str, Metric], list[dict[str, Any]]]:
    """Return the totals by name, and the last event, of a training with the monitor."""
    with tempfile.TemporaryDirectory() as folder:
        monitor = EfficiencyMonitor(dirpath=folder)
        fit(module, loader, monitor)
        assert monitor.folder is not None
        record = Record.open(monitor.folder)
        found = {metric.name: metric for metric in measure(record) if not metric.labels}
        return found, record.events("efficiency", replayed=True)
