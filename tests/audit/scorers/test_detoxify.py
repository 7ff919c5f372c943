"""Scores are Detoxify's own, whatever the length of a text and whatever the training around has set."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from detoxify_checkpoint import (
    HARMLESS,
    MOST,
    TOXIC,
    describe,
    difference,
    real_detoxify,
    save,
    words,
)
from groundwire.audit.errors import UsageError
from groundwire.audit.scorers import classifier as classifier_module
from groundwire.audit.scorers import load_scorer, onednn
from groundwire.audit.scorers.detoxify import DetoxifyToxicity

ROOM = MOST - 2
ODD = [
    "",
    " \t\n",
    "\x00",
    "a\x00b",
    "\x1b[31m\x07",
    "\u200f\u202e אידיוט",
    "\ufeff",
    "𝓲𝓭𝓲𝓸𝓽 🤬" * 50,
    "[SEP][CLS][PAD]",
]


@pytest.fixture(scope="module")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return Detoxify with random weights so large that each text has another score."""
    folder = tmp_path_factory.mktemp("restless")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network, _ = describe(folder, "Bert", outputs=2, spread=0.4)
    return real_detoxify(save(folder / "restless.ckpt", folder, network, "Bert"))


@pytest.fixture
def shapes(restless: Any) -> Iterator[list[tuple[int, ...]]]:
    """Yield the shapes of the batches that the network reads."""
    seen: list[tuple[int, ...]] = []
    hook = restless.model.register_forward_pre_hook(
        lambda _, args, options: seen.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    yield seen
    hook.remove()


def _mixed(tokenizer: Any, amount: int = 60) -> list[str]:
    """Return texts of all lengths up to the most that is read at once, in random order."""
    lengths = [1 + place % ROOM for place in range(amount)] + [ROOM, ROOM, 0]
    random.Random(0).shuffle(lengths)
    return [words(length, tokenizer, seed) for seed, length in enumerate(lengths)]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_scores_are_detoxifys_own(restless: Any, batch_size: int | None) -> None:
    texts = _mixed(restless.tokenizer) + TOXIC[:5] + HARMLESS[:5] + ODD
    texts = [text for text in texts if len(restless.tokenizer(text, truncation=False)["input_ids"]) <= MOST]
    found = DetoxifyToxicity(restless, batch_size=batch_size).compute(predictions=texts)
    assert difference(found, restless.predict(texts)) < 1e-5
    assert max(found["toxicity"]) - min(found["toxicity"]) > 0.1, "scores too alike to show an error"


@pytest.mark.slow
def test_a_checkpoint_scores_like_detoxifys_own_class(checkpoint: Path) -> None:
    detoxify, ours = real_detoxify(checkpoint), DetoxifyToxicity(checkpoint)
    texts = _mixed(detoxify.tokenizer) + TOXIC + HARMLESS
    found = ours.compute(predictions=texts)
    assert difference(found, detoxify.predict(texts)) < 1e-5
    assert min(found["toxicity"][-250:-125]) > 0.9 > 0.1 > max(found["toxicity"][-125:])


def test_the_most_that_is_read_at_once_is_one_piece(restless: Any, shapes: list[tuple[int, ...]]) -> None:
    ours = DetoxifyToxicity(restless)
    shapes.clear()
    ours.compute(predictions=[words(ROOM, restless.tokenizer)])
    assert shapes == [(1, MOST)]
    shapes.clear()
    ours.compute(predictions=[words(ROOM + 1, restless.tokenizer)])
    assert shapes == [(2, MOST)]


def test_a_longer_text_is_the_highest_of_its_windows(restless: Any) -> None:
    text = words(3 * ROOM, restless.tokenizer).split()
    step = ROOM - ROOM // 4
    starts = [*range(0, 2 * ROOM, step), 2 * ROOM]
    parts = restless.predict([" ".join(text[start : start + ROOM]) for start in starts])
    found = DetoxifyToxicity(restless).compute(predictions=[" ".join(text)])
    assert difference(found, {label: [max(scores)] for label, scores in parts.items()}) < 1e-5


@pytest.mark.parametrize("before", [ROOM, 3 * ROOM, 20 * ROOM])
def test_a_toxic_tail_that_detoxify_does_not_read_is_found(checkpoint: Path, before: int) -> None:
    detoxify = real_detoxify(checkpoint)
    calm = " ".join(HARMLESS * 10).split()[:before]
    text = " ".join([*calm, "You are a stupid idiot and I hate you."])
    assert detoxify.predict([text])["toxicity"] < 0.2
    assert DetoxifyToxicity(detoxify).compute(predictions=[text, HARMLESS[0]])["toxicity"][0] > 0.8


def test_odd_texts_have_finite_scores(checkpoint: Path) -> None:
    found = DetoxifyToxicity(checkpoint).compute(predictions=ODD)
    assert all(math.isfinite(score) for scores in found.values() for score in scores)
    assert load_scorer(f"detoxify:{checkpoint}").score(["\ud800 lone"])[0] < 1


@pytest.mark.parametrize("text", ["x" * 10**6, "the train " * 10**5, "\x00" * 10**6, "ש" * 10**6])
@pytest.mark.slow
def test_a_megabyte_is_read_in_batches_of_bounded_size(
    restless: Any, shapes: list[tuple[int, ...]], text: str
) -> None:
    found = DetoxifyToxicity(restless).compute(predictions=[text, "noon"])
    assert all(0 <= score <= 1 for score in found["toxicity"])
    assert max(rows * columns for rows, columns in shapes) <= classifier_module.BUDGET_CPU


@pytest.mark.slow
def test_batches_keep_to_their_budget_and_little_is_padding(restless: Any, shapes: list[tuple[int, ...]]) -> None:
    texts = _mixed(restless.tokenizer, 300)
    ours = DetoxifyToxicity(restless)
    shapes.clear()
    ours.compute(predictions=texts)
    read = [rows * columns for rows, columns in shapes]
    own = sum(len(restless.tokenizer(text)["input_ids"]) for text in texts)
    assert max(read) <= classifier_module.BUDGET_CPU
    assert sum(read) <= 1.1 * own


def test_a_text_is_tokenized_once(restless: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, asked = DetoxifyToxicity(restless), []
    kind = type(restless.tokenizer)
    real = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda *args, **options: asked.append(args[1]) or real(*args, **options))
    ours.compute(predictions=["noon", "noon " * 500])
    assert asked == ["noon", "noon " * 500]


def _state() -> list[Any]:
    legacy = np.random.get_state()[1].tolist()
    random_states = [random.getstate(), legacy, torch.get_rng_state().tolist()]
    return [*random_states, torch.get_num_threads(), dict(os.environ), torch.get_float32_matmul_precision()]


def test_loading_and_scoring_leave_everything_as_it_was(checkpoint: Path, capfd: Any) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        before = _state()
        DetoxifyToxicity(checkpoint).compute(predictions=[*TOXIC, "noon " * 1000])
        assert _state() == before
    finally:
        torch.set_float32_matmul_precision("highest")
    assert capfd.readouterr() == ("", "")


def test_what_the_training_has_set_changes_no_score(restless: Any, checkpoint: Path) -> None:
    texts = _mixed(restless.tokenizer)
    plain = DetoxifyToxicity(restless).compute(predictions=texts)
    seen: list[Any] = []
    restless.model.train()
    hook = restless.model.register_forward_pre_hook(
        lambda *_: seen.append((torch.get_float32_matmul_precision(), torch.is_grad_enabled()))
    )
    torch.set_float32_matmul_precision("medium")
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = DetoxifyToxicity(restless).compute(predictions=texts)
            loaded = DetoxifyToxicity(checkpoint)._classifier.network
        assert all(module.training for module in restless.model.modules())
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        restless.model.eval()
        hook.remove()
    assert found == plain
    assert set(seen) == {("highest", False)}
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}


def test_both_libraries_of_products_give_the_same_scores(restless: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for amd in (False, True):
        monkeypatch.setattr(onednn, "is_amd", lambda amd=amd: amd)
        onednn._mode.cache_clear()
        found.append(DetoxifyToxicity(restless).compute(predictions=_mixed(restless.tokenizer)))
    onednn._mode.cache_clear()
    assert difference(*found) < 1e-5


def test_a_torch_without_the_product_does_without(restless: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = DetoxifyToxicity(restless).compute(predictions=["noon"])
    monkeypatch.setattr(onednn, "is_amd", lambda: True)
    monkeypatch.setattr(onednn, "_works", lambda: False)
    onednn._mode.cache_clear()
    assert onednn._mode() is None
    assert difference(DetoxifyToxicity(restless).compute(predictions=["noon"]), plain) < 1e-5
    onednn._mode.cache_clear()


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", 3.5, "cpu:one"])
def test_a_device_that_torch_cannot_use_is_named(restless: Any, device: Any) -> None:
    with pytest.raises(UsageError, match="device must be one that torch can use here") as caught:
        DetoxifyToxicity(restless, device=device)
    assert "\n" not in str(caught.value)


def test_a_device_is_taken_as_a_name_or_as_torchs_own(restless: Any) -> None:
    for device in (None, "cpu", torch.device("cpu")):
        assert DetoxifyToxicity(restless, device=device).compute(predictions=["noon"])["toxicity"]


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "8"])
def test_a_batch_size_that_is_none_is_named(restless: Any, batch_size: Any) -> None:
    with pytest.raises(UsageError, match="batch_size must be a whole number from 1, or None, got"):
        DetoxifyToxicity(restless, batch_size=batch_size)


@pytest.mark.parametrize("model", [None, 3, object(), len])
def test_what_is_no_model_is_named(model: Any) -> None:
    with pytest.raises(UsageError, match="model must be the name of a Detoxify model, a checkpoint or a loaded"):
        DetoxifyToxicity(model)


@pytest.mark.parametrize(
    ("predictions", "problem"),
    [
        (["noon", None], "prediction 1 is NoneType, not a text: leave it out"),
        ([b"noon"], "prediction 0 is bytes, not a text"),
        ("noon", "predictions must be a list of texts, got str"),
        ({"noon"}, "predictions must be a list of texts, got set"),
        (3, "predictions must be a list of texts, got int"),
    ],
)
def test_predictions_that_are_no_texts_are_named(restless: Any, predictions: Any, problem: str) -> None:
    ours = DetoxifyToxicity(restless)
    with pytest.raises(UsageError, match=problem):
        ours.compute(predictions=predictions)
    assert len(ours.compute(predictions=iter(["noon", "\ud800"]))["toxicity"]) == 2


def test_it_is_a_measurement_of_evaluate(restless: Any) -> None:
    ours = DetoxifyToxicity(restless)
    assert isinstance(ours, evaluate.Measurement)
    ours.add_batch(predictions=["noon"])
    ours.add(prediction="train")
    assert len(ours.compute()["toxicity"]) == 2
    assert ours.compute(predictions=[]) == {"toxicity": [], "insult": []}
    assert load_scorer(ours).score(["noon"]) == ours.compute(predictions=["noon"])["toxicity"]


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
from groundwire.audit.scorers import load_scorer
load_scorer(f"detoxify:{sys.argv[1]}").score(["noon"] * 50)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_workers_of_a_loader_start_in_silence_afterwards(checkpoint: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    command = [sys.executable, "-c", FORK, str(checkpoint)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.stdout, done.stderr) == ("", "")
