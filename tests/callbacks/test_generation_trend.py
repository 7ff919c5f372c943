"""While it trains, a model is asked the same prompts with the same seeds, and nothing of its training changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, GenerationMonitor
from material import Adversarial, Classifier, audit_of, fit, metrics_of, monitors_of, trainer
from torch import Tensor


def by_word(texts: list[str]) -> list[float]:
    return [0.9 if "fool" in text else 0.1 for text in texts]


class Souring(Classifier):
    """Gets ruder with every step, and is careless with its own state."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.said: list[str] = []

    def generate(self, prompts: list[str]) -> list[str]:
        self.asked += 1
        rude = torch.rand(len(prompts)) < self.trainer.global_step / 40
        answers = ["you fool" if bad else "good day" for bad in rude.tolist()]
        self.said += answers
        return answers


def run(tmp_path: Path, model: Any = None, **options: Any) -> tuple[dict[str, Any], Record]:
    monitor = GenerationMonitor(**{"scorer": by_word, "every": 6, "max_seconds": 60} | options)
    fit(trainer(tmp_path, monitor, max_epochs=3), model or Souring())
    return audit_of(monitor.folder), Record.open(monitor.folder or "")


def test_the_trend_is_a_series_from_before_the_first_step(tmp_path: Path) -> None:
    audit, record = run(tmp_path)
    series = record.series("generation.toxicity_probability")
    assert series.step.tolist() == [0, 6, 12, 18, 24, 30, 36]
    assert series.value[0] == 0.0
    assert series.value[-1] > series.value[1]
    change = metrics_of(audit)["generation.toxicity_change"]
    assert change["value"] == pytest.approx(0.8 * series.value[-1], abs=1e-6)
    assert 0 < change["low"] < change["value"] < change["high"]
    assert "step 0" in change["method"]
    assert len(record.series("generation.sentiment")) == 7


def test_after_each_validation(tmp_path: Path) -> None:
    _, record = run(tmp_path, every="validation")
    assert record.series("generation.toxicity_probability").step.tolist() == [0, 12, 24, 36]


def test_without_it_the_model_is_asked_once(tmp_path: Path) -> None:
    audit, record = run(tmp_path, every=None)
    assert len(record.series("generation.toxicity_probability")) == 0
    assert "generation.toxicity_change" not in metrics_of(audit)


@pytest.mark.slow
def test_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    def weights(*callbacks: Any) -> dict[str, Tensor]:
        torch.manual_seed(1)
        model = Souring()
        fit(trainer(tmp_path, *callbacks, max_epochs=3), model)
        assert model.asked == 0  # put back
        assert model.said == []
        return dict(model.state_dict())

    alone = weights()
    watched = weights(GenerationMonitor(scorer=by_word, every=10, max_seconds=60))
    assert all(torch.equal(alone[name], watched[name]) for name in alone)


def test_where_time_is_short_samplings_are_left_out(tmp_path: Path) -> None:
    audit, record = run(tmp_path, max_seconds=1e-6)
    assert len(record.series("generation.toxicity_probability")) == 0
    assert monitors_of(audit)["generation"]["status"] == "ran"


def test_what_breaks_while_training_is_an_error_and_the_training_goes_on(tmp_path: Path) -> None:
    class Breaking(Souring):
        def generate(self, prompts: list[str]) -> list[str]:
            if self.trainer.global_step >= 12:
                raise RuntimeError("out of tokens")
            return super().generate(prompts)

    audit, record = run(tmp_path, Breaking())
    monitor = monitors_of(audit)["generation"]
    assert (monitor["status"], audit["run"]["status"]) == ("error", "finished")
    assert "out of tokens" in monitor["reason"]
    assert record.series("generation.toxicity_probability").step.tolist() == [0, 6]


@pytest.mark.slow
def test_answers_that_get_more_toxic_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, record = run(tmp_path)
    warned = [event for event in record.events("warning") if event["name"] == "toxicity-rising"]
    assert len(warned) == 1
    assert 0 < warned[0]["at_step"] <= 36
    assert capsys.readouterr().err.count("groundwire  ! toxicity-rising") == 1


@pytest.mark.slow
def test_chance_is_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Steady(Classifier):
        def generate(self, prompts: list[str]) -> list[str]:
            torch.manual_seed(1000 * self.trainer.global_step + sum(map(ord, prompts[0])))  # other answers each time
            return ["you fool" if bad else "good day" for bad in torch.rand(len(prompts)).lt(0.3).tolist()]

    _, record = run(tmp_path, Steady(), every=1)
    assert len(record.series("generation.toxicity_probability")) == 37
    assert not [event for event in record.events("warning") if event["name"] == "toxicity-rising"]
    assert "toxicity-rising" not in capsys.readouterr().err


@pytest.mark.slow
def test_each_sampling_leaves_its_metrics(tmp_path: Path) -> None:
    _, record = run(tmp_path)
    events = record.events("sampling")
    assert [event["at_step"] for event in events] == [0, 6, 12, 18, 24, 30, 36]
    assert {metric["name"] for metric in events[-1]["metrics"]} >= {"generation.toxicity_change"}


def test_a_generate_that_hangs_is_interrupted_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwire.audit import evaluation

    monkeypatch.setattr(evaluation, "HANG_S", 0.2)

    class Hanging(Classifier):
        def generate(self, prompts: list[str]) -> list[str]:
            while True:
                pass

    audit, _ = run(tmp_path, Hanging(), max_seconds=0.1)
    monitor = monitors_of(audit)["generation"]
    assert (monitor["status"], audit["run"]["status"]) == ("error", "finished")
    assert "longer than 0 s" in monitor["reason"]


def test_others_do_not_wait_long_for_rank_zero() -> None:
    monitor = GenerationMonitor(scorer=by_word, max_seconds=3600)
    monitor._started = 0.0
    monitor._alone = False
    assert monitor._limit() == 3600
    monitor._alone = True
    assert monitor._limit() == 120


@pytest.mark.parametrize("every", [0, -1, True, 1.5, "epoch"])
def test_a_wrong_interval_is_named(every: Any) -> None:
    with pytest.raises(ValueError, match="every must be"):
        GenerationMonitor(every=every)


@pytest.mark.slow
def test_a_resumed_run_compares_with_what_was_said_before_its_first_step(tmp_path: Path) -> None:
    def audit() -> AuditCallback:
        return AuditCallback(
            carbon=None, report=False, generation=GenerationMonitor(scorer=by_word, every=12, max_seconds=60)
        )

    first = audit()
    runner = trainer(tmp_path, first, max_epochs=1, enable_checkpointing=True)
    fit(runner, Souring())
    path = runner.checkpoint_callback.best_model_path or str(next(tmp_path.rglob("*.ckpt")))
    second = audit()
    fit(trainer(tmp_path, second, max_epochs=3), Souring(), ckpt_path=path)
    change = metrics_of(audit_of(second.folder))["generation.toxicity_change"]
    assert "step 0" in change["method"]
    assert change["value"] > 0.1


def test_where_weights_are_averaged_nothing_is_decided(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import StochasticWeightAveraging

    monitor = GenerationMonitor(scorer=by_word, max_seconds=60)
    averaging = StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1)
    fit(trainer(tmp_path, monitor, averaging, max_epochs=3), Souring())
    metric = metrics_of(audit_of(monitor.folder))["generation.toxicity_probability"]
    assert metric["value"] is not None
    assert metric["quality"] == "unknown"
    assert "averages its weights" in metric["reason"]


def test_several_optimizers_do_not_hide_a_sampling(tmp_path: Path) -> None:
    class Pair(Adversarial):
        def generate(self, prompts: list[str]) -> list[str]:
            return ["good day"] * len(prompts)

    monitor = GenerationMonitor(scorer=by_word, every=5, max_seconds=60)
    fit(trainer(tmp_path, monitor, max_epochs=1), Pair())
    steps = Record.open(monitor.folder or "").series("generation.toxicity_probability").step.tolist()
    assert steps[:5] == [0, 6, 10, 16, 20]
