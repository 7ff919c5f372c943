"""Reads the size and the loss of a run from its record."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import RecordError, UsageError
from ..model import RunStatus
from ..record import Record, Series
from .points import Point

LOSSES = ("overfitting.val_loss", "train.loss")  # the first that all runs have is compared
LAST = 0.05  # share of the steps over which a training loss is averaged
TOKENS = "tokens"  # what a module logs to tell how many it has seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """Runs as points, and which series their loss is."""

    points: list[Point]
    loss: str


def read_runs(urls: list[str], *, tokens_per_step: float | None = None) -> Runs:
    """Return finished runs: parameters, tokens and loss at the end.

    Args:
        urls: Paths or fsspec URLs of run folders.
        tokens_per_step: Tokens an optimizer step, over all ranks and accumulated batches, of runs that logged no
            `tokens`.

    Raises:
        UsageError: A folder is no run, is damaged or not finished, or does not say its parameters, tokens or loss.
    """
    if tokens_per_step is not None and not (tokens_per_step > 0 and math.isfinite(tokens_per_step)):
        raise UsageError(f"--tokens-per-step must be a positive number, got {tokens_per_step:g}.")
    records = [_opened(url) for url in urls]
    chosen = next((name for name in LOSSES if all(len(record.series(name)) for record in records)), None)
    if chosen is None:
        raise UsageError(f"The runs have no loss in common: each must have recorded {' or '.join(LOSSES)}.")
    return Runs(points=[_point(record, chosen, tokens_per_step) for record in records], loss=chosen)


def _opened(url: str) -> Record:
    if not url.strip():
        raise UsageError("RUN is empty: give the folder that the training printed.")
    try:
        record = Record.open(url)
    except RecordError as error:
        raise UsageError(str(error)) from error
    if record.damage:
        raise UsageError(f"The record {url} is damaged ({record.damage[0]}): restore it from a copy or leave it out.")
    if record.run.status is not RunStatus.FINISHED:
        told = f"{url} is {record.run.status}, and a law is one of finished runs, whose learning rate has decayed"
        raise UsageError(f"{told}: leave it out.")
    return record


def _point(record: Record, name: str, tokens_per_step: float | None) -> Point:
    step, loss = _loss(record, name)
    return Point(
        name=record.url, parameters=_parameters(record), tokens=_tokens(record, step, tokens_per_step), loss=loss
    )


def _loss(record: Record, name: str) -> tuple[int, float]:
    """Return the last step with a loss and that loss; of the training, the mean over the last 5 % of steps."""
    series = record.series(name)
    amount = math.ceil(LAST * len(series)) if name == "train.loss" else 1
    value = float(series.value[-amount:].mean())
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"{name} of {record.url} ends at {value:g}, and a law takes positive losses: leave it out.")
    return int(series.step[-1]), value


def _parameters(record: Record) -> float:
    model = record.run.configuration.get("model")
    found = model.get("parameters") if isinstance(model, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not (found > 0 and math.isfinite(found)):
        told = f"{record.url} does not say how many parameters its model has"
        raise UsageError(f"{told}: write the runs into a CSV file with the columns parameters, tokens and loss.")
    return float(found)


def _tokens(record: Record, step: int, tokens_per_step: float | None) -> float:
    """Return the tokens seen until a step: what the module logged, or else a number a step."""
    seen = _until(record.series("logged", TOKENS), step)
    if seen is None:
        if tokens_per_step is None:
            told = f"{record.url} does not say how many tokens it saw"
            hint = "give --tokens-per-step (batch size × sequence length × accumulated batches × ranks)"
            raise UsageError(f'{told}: {hint}, or let the module log them with self.log("tokens", …).')
        seen = step * tokens_per_step
    if not (seen >= 1 and math.isfinite(seen)):
        raise UsageError(f"{record.url} logged {seen:g} tokens: log how many it has seen so far.")
    return seen


def _until(series: Series, step: int) -> float | None:
    known = np.flatnonzero(series.step <= step)
    return float(series.value[known[-1]]) if len(known) else None
