"""What a model said, as a table in the loggers of the user's Trainer that can take one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ..audit.escape import markdown_text, visible

log = logging.getLogger(__name__)

KEY = "groundwire/samples"
HEAD = ["prompt", "continuation", "toxicity"]
MOST_ROWS = 40
CAP = 500  # characters of a cell

Row = tuple[str, str, str]


def log_samples(loggers: Sequence[Any], samples: Sequence[dict[str, Any]], step: int) -> None:
    """Give prompts and continuations, the most toxic first, to each logger that takes a table or a text.

    Weights & Biases, and others with `log_text(key, columns, data, step)`; MLflow; TensorBoard. A logger that raises
    is left alone.
    """
    rows = sorted(_rows(samples), key=lambda row: row[2], reverse=True)[:MOST_ROWS]
    for logger in loggers if rows else ():
        try:
            _give(logger, rows, step)
        except Exception as error:
            log.debug("groundwire: %s takes no table", type(logger).__name__, exc_info=error)


def _give(logger: Any, rows: Sequence[Row], step: int) -> None:
    if callable(getattr(logger, "log_text", None)):
        logger.log_text(KEY, columns=list(HEAD), data=[list(map(visible, row)) for row in rows], step=step)
        return
    backend: Any = getattr(logger, "experiment", None)
    if callable(getattr(backend, "add_text", None)):
        backend.add_text(KEY, _markdown(rows), global_step=step)
    elif callable(getattr(backend, "log_table", None)) and hasattr(logger, "run_id"):
        columns = {name: [visible(row[place]) for row in rows] for place, name in enumerate(HEAD)}
        backend.log_table(logger.run_id, data=columns, artifact_file=f"{KEY}-{step}.json")


def _rows(samples: Sequence[dict[str, Any]]) -> Iterator[Row]:
    for sample in samples:
        texts = sample["continuations"]
        for text, score in zip(texts, sample.get("toxicity") or [None] * len(texts), strict=True):
            yield sample["prompt"][:CAP], text[:CAP], "" if score is None else f"{score:.3f}"


def _markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join([*lines, *("| " + " | ".join(map(markdown_text, row)) + " |" for row in rows)])
