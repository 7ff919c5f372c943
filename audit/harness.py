"""Reads results of lm-evaluation-harness (`results_*.json`), versions 0.3 to 0.4.13.

A row of `results` holds, from 0.4 on, `<metric>,<filter>` and `<metric>_stderr,<filter>` beside the task's names and
counts; before, `<metric>` and `<metric>_stderr`. A standard error that was not computed is "N/A". Read in the
harness's own code: `lm_eval/evaluator_utils.py`, `lm_eval/api/group.py`, `lm_eval/evaluator.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .declared import LONGEST, Told, declared, number, span, text_of
from .escape import visible
from .formats import count
from .model import Metric

MARKS = ("versions", "configs", "config", "n-samples", "lm_eval_version")
NO_METRICS = ("alias", "name", "sample_len", "sample_count", "samples")
# Means of zeros and ones; F1 and the like may be in percent.
SHARES = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "acc_all", "exact_match")
MOST_DOCUMENTS = 2**53  # what a float still counts


def is_of_harness(document: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a results file of the harness."""
    rows = _table(document, "results")
    tasks = bool(rows) and all(isinstance(row, dict) for row in rows.values())
    named = any("," in str(key) for row in rows.values() if isinstance(row, dict) for key in row)  # as in "acc,none"
    return tasks and (named or any(mark in document for mark in MARKS))


def harness_metrics(document: Mapping[str, Any], source: str, prefix: str) -> Iterator[Metric]:
    """Yield the metrics of all tasks and groups in a results file.

    Args:
        document: The file.
        source: What the metrics' method says of the file.
        prefix: Stands before the tasks' names.
    """
    for task, row in (_table(document, "groups") | _table(document, "results")).items():
        for metric, chosen, told, error in _numbers(row if isinstance(row, dict) else {}):
            n = _evaluated(document, task)
            yield declared(
                f"{prefix}{task}.{metric}",
                told,
                labels={} if chosen in ("", "none") else {"filter": chosen},
                n=n,
                method=[_tool(document), source, *_circumstances(document, task, metric)],
                interval=span(told.value, error, share=metric in SHARES, n=n),
            )


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, str, Told, float | None]]:
    """Yield metric, filter, value and standard error of one row."""
    filtered = any("," in key for key in row)
    for key, value in row.items():
        metric, comma, chosen = key.partition(",")
        told = Told(None, "the file gives no value") if value in (None, "N/A") else number(value)
        if told is None or filtered != bool(comma) or metric in NO_METRICS or metric.endswith("_stderr"):
            continue
        error = number(row.get(f"{metric}_stderr{comma}{chosen}"))
        yield metric, chosen, told, None if error is None else error.value


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _evaluated(document: Mapping[str, Any], task: str) -> int | None:
    """Return how many documents a task was evaluated on; of a group nobody says it."""
    n = _table(_table(document, "n-samples"), task).get("effective")
    return n if type(n) is int and 0 < n < MOST_DOCUMENTS else None


def _tool(document: Mapping[str, Any]) -> str:
    version, commit = text_of(document.get("lm_eval_version")), text_of(document.get("git_hash"), cap=12)
    told = version or (f"of commit {commit}" if commit else "of unknown version")
    return f"lm-evaluation-harness {told}"


def _circumstances(document: Mapping[str, Any], task: str, metric: str) -> Iterator[str]:
    """Yield what else it takes to compare a score with another."""
    model, version = text_of(document.get("model_name")), text_of(_table(document, "versions").get(task))
    if model:
        yield f"of model {model}"
    if version not in ("", "N/A"):
        yield f"task version {version}"
    shots = _table(document, "n-shot").get(task)
    if type(shots) is int:
        yield f"{visible(str(shots), cap=LONGEST)}-shot"
    n, whole = _evaluated(document, task), _table(_table(document, "n-samples"), task).get("original")
    if n is not None and type(whole) is int and n < whole < MOST_DOCUMENTS:
        yield f"on {n:,} of {count(whole, 'document')}"
    better = _table(_table(document, "higher_is_better"), task).get(metric)
    if isinstance(better, bool):
        yield f"{'higher' if better else 'lower'} is better"
