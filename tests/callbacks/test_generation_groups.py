"""A trained model is asked about groups of people, by prompts that differ in the group alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.gate import decide
from groundwire.audit.load import load_audit
from groundwire.audit.policy import parse_policy
from groundwire.audit.prompts import load_prompts, load_validation
from groundwire.callbacks import GenerationMonitor
from material import Classifier, audit_of, fit, metrics_of, monitors_of, trainer

RELIGION = load_prompts("counterfactual", axes=("religion",))
TRUTH = {text.text: text.toxic for text in load_validation()}


def knows(texts: list[str]) -> list[float]:
    return [0.9 if TRUTH.get(text, "fool" in text) else 0.1 for text in texts]


class Unfair(Classifier):
    """Insults most of those who ask as a Hindu, and nobody else."""

    def generate(self, prompts: list[str]) -> list[str]:
        unkind = [("Hindu" in prompt) and bool(torch.rand(()) < 0.6) for prompt in prompts]
        return ["they called them a fool" if bad else "they went home" for bad in unkind]


def run(tmp_path: Path, **options: Any) -> tuple[dict[str, Any], str]:
    monitor = GenerationMonitor(**{"scorer": knows, "prompts": RELIGION, "max_seconds": 60} | options)
    fit(trainer(tmp_path, monitor, max_epochs=2), Unfair())
    return audit_of(monitor.folder), monitor.folder or ""


def gated(folder: str, **limit: Any) -> Any:
    document = {"schema": 1, "limits": {"it": {"metric": "generation.toxicity_disparity", "max": 0.05} | limit}}
    return decide(load_audit(folder)[0], parse_policy(document, "policy.toml")).limits[0]


@pytest.mark.slow
def test_a_difference_is_measured_judged_and_stored_with_its_proof(tmp_path: Path) -> None:
    audit, folder = run(tmp_path, k=2)
    told, mood = audit["disparities"]
    assert (told["axis"], mood["metric"]) == ("religion", "generation.sentiment_disparity")
    assert mood["masked"]
    assert mood["reason"]  # VADER has shown nobody whom it wrongs
    assert len(told["groups"]) == 7
    assert len(told["pairs"]) == 21
    assert {told["pairs"][0]["first"], told["pairs"][0]["second"]} & {"Hindus"}
    assert told["gap"] == pytest.approx(0.6, abs=0.15)
    (card,) = audit["scorers"]
    assert card["qualified"]
    assert gated(folder).outcome == "fail"
    assert gated(folder, labels={"axis": "religion"}).outcome == "fail"
    assert gated(folder, labels={"axis": "age"}).outcome == "unknown"
    sample = next(e for e in _events(folder) if e["group"] == "Hindus")
    assert sample["template"]


def _events(folder: str) -> list[dict[str, Any]]:
    from groundwire.audit.record import Record

    return Record.open(folder).events("sample")


def test_a_scorer_that_does_not_qualify_leaves_the_limit_unknown(tmp_path: Path) -> None:
    audit, folder = run(tmp_path, scorer=lambda texts: [0.9 if "fool" in text else 0.1 for text in texts])
    assert not audit["scorers"][0]["qualified"]
    assert audit["disparities"][0]["gap"] > 0.3  # shown
    found = gated(folder)
    assert found.outcome == "unknown"
    assert "may not decide between groups" in found.reason
    assert metrics_of(audit)["generation.toxicity_probability"]["quality"] == "modelled"


def test_a_file_of_ones_own_has_to_be_passed_too(tmp_path: Path) -> None:
    rows = [f"{who} {n},{int(bad)},{who}" for who in "ab" for n in range(6) for bad in (0, 1) if bad == n % 2]
    (tmp_path / "own.csv").write_text("text,toxic,identity\n" + "\n".join(rows))
    audit, folder = run(tmp_path, validation=tmp_path / "own.csv")
    assert [card["data"] for card in audit["scorers"]] == ["own.csv", "groundwire"]  # the worst first
    assert [card["qualified"] for card in audit["scorers"]] == [False, True]
    assert gated(folder).outcome == "unknown"


def test_prompts_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "asked.txt").write_text("The Hindu said that\nThe weather is\n")
    audit, _ = run(tmp_path, prompts=tmp_path / "asked.txt")
    metric = metrics_of(audit)["generation.toxicity_probability"]
    assert metric["n"] == 2
    assert "asked.txt prompts" in metric["method"]
    assert "generation.toxicity_disparity" not in metrics_of(audit)
    assert any(item["what"] == "group disparity" for item in audit["not_checked"])


def test_time_that_runs_out_leaves_groups_unknown(tmp_path: Path) -> None:
    audit, folder = run(tmp_path, max_seconds=1e-9)
    assert audit["disparities"] == []
    assert gated(folder).outcome == "unknown"
    assert monitors_of(audit)["generation"]["status"] == "ran"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prompts": "absent.jsonl"}, "prompts: .*absent.jsonl"),
        ({"prompts": []}, "prompts must be"),
        ({"prompts": [3]}, "prompts must be"),
        ({"prompts": 3}, "prompts must be"),
        ({"validation": "absent.csv"}, "validation: .*absent.csv"),
        ({"validation": 3}, "validation: "),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GenerationMonitor(**options)


def test_regard_and_honest_are_measured_where_they_are_brought(tmp_path: Path) -> None:
    monitor = GenerationMonitor(
        scorer=lambda texts: [0.1] * len(texts), regard=lambda texts: [0.25] * len(texts),
        honest=lambda words: [float(word == "maid") for word in words], max_seconds=60,
        prompts=load_prompts("counterfactual", axes=["gender"]),
        generate=lambda prompts: ["maid"] * len(prompts),
    )  # fmt: skip
    fit(trainer(tmp_path, monitor, max_epochs=2), Classifier())
    metrics = metrics_of(audit_of(monitor.folder))
    assert metrics["generation.regard"]["value"] == 0.25
    assert metrics["generation.honest"]["value"] == 1.0
    assert metrics["generation.regard_disparity"]["value"] == 0.0
    assert metrics["generation.honest_disparity"]["quality"] == "unknown"  # untried: it decides nothing
