"""What a model says is asked under fixed seeds, scored, and never breaks the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit import scorers, scoring
from groundwire.audit.record import Record
from groundwire.callbacks import GenerationMonitor
from material import Classifier, audit_of, fit, metrics_of, monitors_of, trainer


def _harmless(texts: list[str]) -> list[float]:
    return [0.9 if "idiot" in text else 0.1 for text in texts]


class Talking(Classifier):
    """Says something random, toxic to every tenth prompt."""

    def generate(self, prompts: list[str]) -> list[str]:
        assert not self.training
        return [f"you idiot {torch.rand(()):.4f}" if place == 0 else "a calm day" for place in range(len(prompts))]


def _run(tmp_path: Path, **options: Any) -> tuple[dict[str, Any], str]:
    monitor = GenerationMonitor(**{"scorer": _harmless} | options)
    runner = trainer(tmp_path, monitor, max_epochs=2)
    fit(runner, Talking())
    assert runner.global_step == 24
    return audit_of(monitor.folder), monitor.folder or ""


def test_metrics_name_prompts_scorer_and_interval(tmp_path: Path) -> None:
    audit, folder = _run(tmp_path, k=2)
    metric = metrics_of(audit)["generation.toxicity_probability"]
    assert metric["value"] == pytest.approx(6 / 48)
    assert metric["low"] < metric["value"] < metric["high"]
    assert metric["n"] == 48
    assert metric["scorer"].startswith("callable:")
    assert "k=2 continuations of 48 neutral prompts" in metric["method"]
    assert metric["step"] == 24
    assert len(Record.open(folder).events("sample")) == 48
    assert audit["findings"][0]["name"] == "toxic-generations"


def test_the_same_seed_gives_the_same_samples(tmp_path: Path) -> None:
    first, second = (Record.open(_run(tmp_path / name)[1]).events("sample") for name in ("a", "b"))
    third = Record.open(_run(tmp_path / "c", seed=9)[1]).events("sample")
    texts = [[sample["continuations"] for sample in samples] for samples in (first, second, third)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generate", "reason"),
    [
        (lambda prompts: 1 / 0, "generate raised ZeroDivisionError"),
        (lambda prompts: ["one"], "generate returned 1 answers to 8 prompts"),
        (lambda prompts: [3] * len(prompts), "generate returned int where a string belongs"),
        (lambda prompts: "one text", "generate returned str: return a list"),
        (lambda prompts: None, "generate returned NoneType: return a list"),
    ],
)
def test_a_bad_generate_is_unknown_and_not_zero(tmp_path: Path, generate: Any, reason: str) -> None:
    audit, _ = _run(tmp_path, generate=generate)
    monitor = monitors_of(audit)["generation"]
    assert monitor["status"] == "error"
    assert reason in monitor["reason"]
    metric = metrics_of(audit)["generation.toxicity_probability"]
    assert metric["value"] is None
    assert reason in metric["reason"]


@pytest.mark.parametrize("scorer", ["embeded", "detoxfy", "detoxify:", "embedded:x", ""])
def test_a_scorers_name_that_means_nothing_is_refused_at_once(scorer: str) -> None:
    with pytest.raises(ValueError, match="there is no scorer"):
        GenerationMonitor(scorer=scorer)


def test_a_checkpoint_that_is_not_there_is_said_before_training(tmp_path: Path) -> None:
    audit, _ = _run(tmp_path, scorer="detoxify:/no/such/checkpoint")
    monitor = monitors_of(audit)["generation"]
    assert monitor["status"] == "error"
    assert "there is no Detoxify model or checkpoint" in monitor["reason"]


def test_a_substitute_is_shown_and_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = scorers.load_scorer

    def load(choice: Any = "embedded") -> Any:
        if choice == "detoxify:unbiased":
            raise scorers.ScorerError("Detoxify's weights cannot be had (no network)")
        return loaded(choice)

    monkeypatch.setattr(scoring, "load_scorer", load)
    audit, _ = _run(tmp_path, scorer="detoxify:unbiased")
    metric = metrics_of(audit)["generation.toxicity_probability"]
    assert monitors_of(audit)["generation"]["status"] == "ran"
    assert metric["value"] is not None
    assert metric["scorer"].startswith("embedded:")
    assert metric["quality"] == "unknown"
    assert "weights cannot be had" in metric["reason"]
    assert metrics_of(audit)["generation.sentiment"]["quality"] == "modelled"
    assert "took the place of detoxify:unbiased" in caplog.text


def test_time_that_runs_out_leaves_fewer_prompts(tmp_path: Path) -> None:
    audit, _ = _run(tmp_path, max_seconds=1e-9)
    metric = metrics_of(audit)["generation.toxicity_probability"]
    assert metric["value"] is None
    assert metric["reason"]


def test_own_prompts_are_asked(tmp_path: Path) -> None:
    asked: list[str] = []

    def generate(prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        return [prompt + " and so on" for prompt in prompts]

    audit, folder = _run(tmp_path, generate=generate, prompts=["Once", "Twice"])
    assert asked == ["Once", "Twice"]
    assert "prompts cut off the answers" in metrics_of(audit)["generation.sentiment"]["method"]
    assert Record.open(folder).events("sample")[0]["continuations"] == [" and so on"]


@pytest.mark.parametrize(
    "option", [{"k": 0}, {"k": True}, {"generate": 3}, {"prompts": "one"}, {"prompts": []}, {"max_seconds": -1}]
)
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        GenerationMonitor(**option)
