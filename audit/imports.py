"""Reads files of scores that other tools measured: lm-evaluation-harness, Hugging Face `evaluate`, plain JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from .declared import LONGEST, declared, number, text_of
from .errors import UsageError
from .escape import visible
from .harness import harness_metrics, is_of_harness
from .model import Metric

MOST_BYTES, MOST_SCORES = 50 * 10**6, 5_000  # of one file
DEEPEST = 4  # objects within each other
OF_EVALUATE = "_evaluate_version"  # written by `evaluate.save`, see evaluate/saving.py


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What one file says.

    Attributes:
        file: Its name, without folders.
        sha256: Digest of its bytes.
        metrics: Its numbers, bound to no checkpoint yet.
    """

    file: str
    sha256: str
    metrics: tuple[Metric, ...]


def read_scores(path: Path, name: str | None = None) -> Scores:
    """Return the scores in a results file.

    Args:
        path: A `results_*.json` of lm-evaluation-harness, what `evaluate.save` wrote, or names with numbers.
        name: Stands before the metrics' names; when None the file's stem, with the harness nothing.

    Raises:
        UsageError: It cannot be read, is too large, or holds no scores.
    """
    content = _content(path)
    document = _document(content, path)
    sha256, file = hashlib.sha256(content).hexdigest(), visible(path.name, cap=LONGEST)
    source = f"{file} (sha256 {sha256[:12]})"
    if is_of_harness(document) and OF_EVALUATE not in document:
        found = harness_metrics(document, source, "" if name is None else f"{name}.")
    else:
        found = _plain_metrics(document, source, path.stem if name is None else name)
    metrics = tuple(islice(found, MOST_SCORES + 1))
    if not metrics:
        raise UsageError(f"{path} holds no numbers: give a results file, as in results_….json.")
    if len(metrics) > MOST_SCORES:
        raise UsageError(f"{path} holds more than {MOST_SCORES:,} numbers: keep those that a release is judged by.")
    return Scores(file=file, sha256=sha256, metrics=metrics)


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: give the results file in it, as in results_….json.")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file that ends: give a results file, as in results_….json.")
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than {MOST_BYTES // 10**6} MB: give the results without samples.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}: give the results file that the evaluation wrote.") from error
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise UsageError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def _document(content: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not whole JSON: give the results file (results_….json), not samples.") from error
    if not isinstance(document, dict):
        raise UsageError(f'{path} holds no JSON object: give names with numbers, as in {{"accuracy": 0.9}}.')
    return document


def _plain_metrics(document: Mapping[str, Any], source: str, name: str) -> Iterator[Metric]:
    """Yield the numbers of an object as metrics; of one that `evaluate` saved without what it says of itself."""
    version = text_of(document.get(OF_EVALUATE))
    own = {key for key in document if key.startswith("_")} if OF_EVALUATE in document else set()
    tool = f"evaluate {version or 'of unknown version'}" if OF_EVALUATE in document else "a file of numbers"
    for key, value in _leaves({key: value for key, value in document.items() if key not in own}):
        told = number(value)
        if told is not None:
            yield declared(f"{name}.{key}", told, method=[tool, source])


def _leaves(document: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values: some metrics of `evaluate` give an object for each class."""
    for key, value in document.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from _leaves(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", value
