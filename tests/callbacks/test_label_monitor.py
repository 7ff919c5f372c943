"""What is seen of labels in the run's own steps, and that nobody notices."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks.contradictions import contradictions
from groundwire.callbacks.example_losses import LabelMonitor
from material import Classifier, fit, loader, trainer
from torch.overrides import _get_current_function_mode_stack
from torch.utils.data import DataLoader, TensorDataset


def told(monitor: LabelMonitor) -> list[dict[str, Any]]:
    return Record.open(monitor.folder or "").events("labels")


def observed(sure: Any, *, wrong: Any, times: int = 6) -> np.ndarray[Any, Any]:
    """Return observations of examples of which the model is so sure, and contradicts some."""
    sure, wrong = np.asarray(sure, dtype=float), np.asarray(wrong, dtype=bool)
    digest = np.arange(len(sure), dtype=float)
    own, other = np.where(wrong, 1 - sure, sure), np.where(wrong, sure, 1 - sure)
    rows = np.column_stack([digest, digest % 3, (digest + 1) % 3, own, other])
    return np.concatenate([np.column_stack([rows, np.full(len(rows), step)]) for step in range(1, times + 1)])


def test_wrong_labels_are_contradicted_where_the_model_is_sure() -> None:
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.6, 1, 1000)
    noise = contradictions(observed(sure, wrong=draw.random(1000) < 0.3))
    hard = contradictions(observed(sure, wrong=draw.random(1000) < 2 * (1 - sure)))
    assert (noise["examples"], noise["surest"]) == (1000, 200)
    assert noise["surest_contradicted"] / 200 == pytest.approx(0.3, abs=0.08)
    assert noise["auc"] == pytest.approx(0.5, abs=0.05)
    assert hard["surest_contradicted"] / 200 < 0.15
    assert hard["auc"] > 0.7


def test_the_first_third_and_what_is_known_by_heart_later_do_not_count() -> None:
    right, wrong = observed([0.9] * 300, wrong=[False] * 300, times=60), observed([0.9] * 300, wrong=[True] * 300)
    wrong = observed([0.9] * 300, wrong=[True] * 300, times=30)
    later = right.copy()
    later[:, 5] += 30
    assert contradictions(np.concatenate([wrong, later]))["contradicted"] == 1.0
    assert contradictions(observed([0.9] * 300, wrong=[False] * 300))["auc"] is None


def test_pairs_of_classes_are_counted_by_examples() -> None:
    found = contradictions(observed([0.9] * 300, wrong=np.arange(300) % 3 == 0))
    assert found["pairs"] == [{"label": 0, "taken_for": 1, "examples": 100}]


def noisy(size: int = 300) -> DataLoader[Any]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(size, 8, generator=draw)
    y = (x[:, 0] > 0).long()
    flipped = torch.rand(size, generator=draw) < 0.3
    return DataLoader(TensorDataset(x, torch.where(flipped, 1 - y, y)), batch_size=10, shuffle=True)


@pytest.mark.slow
def test_flipped_labels_show_in_a_run(tmp_path: Path) -> None:
    found = {}
    for name, data in (("noisy", noisy()), ("clean", loader(300, shuffle=True))):
        monitor = LabelMonitor()
        monitor.overhead_budget = 1.0  # type: ignore[attr-defined]  # how fast the machine is must not matter
        fit(trainer(tmp_path, monitor, max_epochs=12), Classifier(lr=0.01), data, loader(24))
        (found[name],) = told(monitor)
    assert min(one["examples"] for one in found.values()) > 280
    assert max(one["examples"] for one in found.values()) <= 300
    assert found["noisy"]["surest_contradicted"] / found["noisy"]["surest"] > 0.12
    assert found["clean"]["surest_contradicted"] == 0
    assert found["noisy"]["relabelled"] == 0.0


def test_the_run_is_the_same_without_the_monitor(tmp_path: Path) -> None:
    states = []
    for callbacks in ((), (LabelMonitor(),)):
        torch.manual_seed(3)
        module = Classifier()
        fit(trainer(tmp_path, *callbacks), module)
        states.append((module.state_dict(), torch.get_rng_state()))
    (first, drawn), (second, drawn_too) = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(drawn, drawn_too)
    assert not _get_current_function_mode_stack()


def test_next_tokens_are_no_labels(tmp_path: Path) -> None:
    class Tokens(Classifier):
        def loss(self, batch: Any) -> torch.Tensor:
            logits = self.net(batch[0])[:, None].expand(-1, 4, -1)
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].repeat_interleave(4))

    monitor = LabelMonitor()
    fit(trainer(tmp_path, monitor), Tokens())
    assert told(monitor) == []


def test_a_step_that_breaks_leaves_no_mode_behind(tmp_path: Path) -> None:
    class Breaking(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            if batch_idx == 3:
                raise RuntimeError("the user's own")
            return super().training_step(batch, batch_idx)

    with pytest.raises(RuntimeError, match="the user's own"):
        fit(trainer(tmp_path, LabelMonitor()), Breaking())
    assert not _get_current_function_mode_stack()


def test_a_monitor_that_has_run_can_be_pickled(tmp_path: Path) -> None:
    monitor = LabelMonitor()
    fit(trainer(tmp_path, monitor), Classifier())
    assert pickle.loads(pickle.dumps(monitor)).name == "labels"
