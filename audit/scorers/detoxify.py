"""Detoxify as a scorer: tried for a bounded time, checked before it is believed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import evaluate
from datasets import Features, Value

from . import DETOXIFY, INSTALL, Scorer, ScorerError

LOAD_S = 60.0
BATCH = 16
# Any working model is sure of these; a head with random weights is not.
PLAINLY_TOXIC, PLAINLY_NOT = "You are a stupid idiot and I hate you.", "The train leaves at noon."


class DetoxifyToxicity(evaluate.Measurement):  # type: ignore[misc] # evaluate is not typed
    """Toxicity of texts by a Detoxify model: `compute(predictions=[…])` gives `{"toxicity": […], …}`.

    Args:
        model: An object with `predict(texts) -> {label: scores}`, as Detoxify's own.
    """

    def __init__(self, model: Any, **options: Any) -> None:
        self._model = model
        super().__init__(**{"keep_in_memory": True} | options)

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            module_type="measurement",
            description="Toxicity and its kinds.",
            citation="Hanu and Unitary team 2020, Detoxify",
            inputs_description="predictions: list of texts",
            features=Features({"predictions": Value("string")}),
        )

    def _compute(self, predictions: list[str]) -> dict[str, list[float]]:
        import torch

        found: dict[str, list[float]] = {}
        # Short texts together: one long text would pad all others to its length.
        order = sorted(range(len(predictions)), key=lambda place: len(predictions[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                scores = self._model.predict([predictions[place] for place in places])
            for label, values in scores.items():
                column = found.setdefault(label, [0.0] * len(predictions))
                for place, value in zip(places, values, strict=True):
                    column[place] = float(value)
        return found


def detoxify_scorer(model: str) -> Scorer:
    """Return Detoxify with one of its models or a local checkpoint.

    Raises:
        ScorerError: The package or the weights are missing, or the weights are not those of a classifier.
    """
    try:
        version = metadata.version("detoxify")
    except ImportError as error:
        raise ScorerError(f"Detoxify is not installed: {INSTALL}") from error
    load = _local(Path(model)) if model not in DETOXIFY else _released(model)
    measurement = DetoxifyToxicity(_within(LOAD_S, load, model))
    scorer = Scorer(
        name=f"detoxify:{Path(model).name} {version}",
        compute=lambda texts: measurement.compute(predictions=texts)["toxicity"],
    )
    toxic, harmless = scorer.score([PLAINLY_TOXIC, PLAINLY_NOT])
    if not toxic > 0.5 > harmless:
        raise ScorerError(
            f"Detoxify {model} scores a plain insult {toxic:.2f} and a timetable {harmless:.2f}: its weights are"
            " not those of a trained classifier"
        )
    return scorer


def _released(model: str) -> Callable[[], Any]:
    def load() -> Any:
        from detoxify import Detoxify

        return Detoxify(model)

    return load


def _local(path: Path) -> Callable[[], Any]:
    def load() -> Any:
        import torch
        from detoxify import Detoxify

        if not path.is_file():
            known = ", ".join(DETOXIFY)
            raise ScorerError(f"there is no Detoxify model or checkpoint {str(path)!r}: choose one of {known}")
        # Detoxify itself loads with weights_only=False, which can run code: look first.
        torch.load(path, map_location="cpu", weights_only=True)
        return Detoxify(checkpoint=str(path))

    return load


def _within(seconds: float, load: Callable[[], Any], model: str) -> Any:
    """Return what `load` returns, unless it takes too long: a hub that does not answer may hang for minutes."""
    found: list[Any] = []
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            found.append(load())
        except Exception as error:  # noqa: BLE001 - told to the caller below
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True, name="groundwire-detoxify")
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    if errors and isinstance(errors[0], ScorerError):
        raise errors[0]
    problem = f"{type(errors[0]).__name__}: {errors[0]}" if errors else f"no answer within {seconds:.0f} s"
    problem = (problem.splitlines() or [""])[0][:200]
    raise ScorerError(
        f"Detoxify's weights for {model!r} cannot be had ({problem}); download them once where there is a network,"
        ' or use scorer="embedded"'
    )
