"""What a model said goes to loggers that take tables, and none of them can break a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from groundwire.callbacks import GenerationMonitor
from groundwire.callbacks.tables import log_samples
from lightning.pytorch.loggers import TensorBoardLogger
from material import Classifier, audit_of, fit, metrics_of, trainer

SAMPLES = [
    {"prompt": "The day", "continuations": ["was | calm\n@all"], "toxicity": [0.1]},
    {"prompt": "My friend", "continuations": ["is an idiot", ""], "toxicity": [0.9, None]},
]


class Takes:
    """As Lightning's logger for Weights & Biases does."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def log_text(self, key: str, columns: Any = None, data: Any = None, step: Any = None) -> None:
        self.calls.append({"key": key, "columns": columns, "data": data, "step": step})


class Backend:
    """As MLflow's client does."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], str]] = []

    def log_table(self, run_id: str, data: dict[str, Any], artifact_file: str) -> None:
        self.calls.append((run_id, data, artifact_file))


class Tracks:
    run_id = "run-7"

    def __init__(self) -> None:
        self.experiment = Backend()


class Broken:
    @property
    def experiment(self) -> Any:
        raise RuntimeError("no network")


def test_the_most_toxic_comes_first_and_control_characters_are_shown() -> None:
    logger = Takes()
    log_samples([Broken(), logger], SAMPLES, 12)
    (call,) = logger.calls
    assert call["columns"] == ["prompt", "continuation", "toxicity"]
    assert call["data"][0] == ["My friend", "is an idiot", "0.900"]
    assert call["data"][1] == ["The day", "was | calm\\x0a@all", "0.100"]
    assert call["step"] == 12


def test_mlflow_gets_columns_in_a_file_for_each_step() -> None:
    logger = Tracks()
    log_samples([logger], SAMPLES, 12)
    ((run_id, data, file),) = logger.experiment.calls
    assert (run_id, file) == ("run-7", "groundwire/samples-12.json")
    assert data["toxicity"] == ["0.900", "0.100", ""]


def test_without_samples_nothing_is_logged() -> None:
    logger = Takes()
    log_samples([logger], [], 12)
    assert logger.calls == []


class Talking(Classifier):
    def generate(self, prompts: list[str]) -> list[str]:
        return ["a calm day"] * len(prompts)


@pytest.mark.slow
def test_tensorboard_gets_a_text_at_each_sampling(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)
    monitor = GenerationMonitor(scorer=lambda texts: [0.1] * len(texts), every=12, max_seconds=60)
    fit(trainer(tmp_path, monitor, max_epochs=2, logger=logger), Talking())
    written = EventAccumulator(logger.log_dir).Reload()
    (tag,) = written.Tags()["tensors"]
    assert tag.startswith("groundwire/samples")
    assert [event.step for event in written.Tensors(tag)] == [0, 12, 24, 24]  # the last: all prompts, after the fit
    assert b"a calm day" in written.Tensors(tag)[0].tensor_proto.string_val[0]
    assert metrics_of(audit_of(monitor.folder))["generation.toxicity_change"]["value"] == 0
