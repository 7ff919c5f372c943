"""Detoxify is believed only when its weights are whole, trained and nothing but weights."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.audit.scorers import ScorerError, fetch, load_scorer
from groundwire.audit.scorers.detoxify import OVERLAP, PIECE, PLAINLY_NOT, PLAINLY_TOXIC, DetoxifyToxicity, _pieces
from hypothesis import given
from hypothesis import strategies as st

WORDS = sorted({word.strip(".").lower() for word in (PLAINLY_TOXIC + " " + PLAINLY_NOT).split()} | {"."})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a very small model in Detoxify's format that knows two sentences, with its description beside it."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizer(vocab=str(vocabulary))
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS) + 5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, num_labels=2,
    )  # fmt: skip
    config.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(config)
        _teach(model, tokenizer([PLAINLY_TOXIC, PLAINLY_NOT], return_tensors="pt", padding=True))
    arguments = {
        "model_type": "nobody/has-this", "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer", "num_classes": 2,
    }  # fmt: skip
    described = {"arch": {"args": arguments}, "dataset": {"args": {"classes": ["toxic", "insult"]}}}
    torch.save({"config": described, "state_dict": model.state_dict()}, folder / "tiny.ckpt")
    return folder / "tiny.ckpt"


def _teach(model: Any, inputs: Any) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        logits = model(**inputs)[0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
        loss.backward()
        optimizer.step()


def _changed(checkpoint: Path, change: Any) -> str:
    loaded = torch.load(checkpoint, weights_only=True)
    change(loaded)
    path = checkpoint.with_name("changed.ckpt")
    torch.save(loaded, path)
    return f"detoxify:{path}"


def _states() -> list[Any]:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]


def test_a_local_checkpoint_scores_without_a_network(checkpoint: Path) -> None:
    before, environment = _states(), dict(os.environ)
    scorer = load_scorer(f"detoxify:{checkpoint}")
    assert scorer.name.startswith("detoxify:tiny.ckpt 0.")
    # 17 texts: the last of a batch is alone, for which Detoxify itself returns a bare number.
    scores = scorer.score([PLAINLY_TOXIC, PLAINLY_NOT, *["noon"] * 15])
    assert scores[0] > 0.5 > scores[1]
    assert (_states(), dict(os.environ)) == (before, environment)


def _without_head(loaded: dict[str, Any]) -> None:
    del loaded["state_dict"]["classifier.weight"]


def _prefixed(loaded: dict[str, Any]) -> None:
    loaded["state_dict"] = {f"module.{key}": value for key, value in loaded["state_dict"].items()}


def _untrained(loaded: dict[str, Any]) -> None:
    loaded["state_dict"]["classifier.weight"].zero_()


def _other_class(loaded: dict[str, Any]) -> None:
    loaded["config"]["arch"]["args"]["model_name"] = "pipeline"


def _other_labels(loaded: dict[str, Any]) -> None:
    loaded["config"]["dataset"]["args"]["classes"] = ["insult", "threat"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without_head, "has no weights for classifier.weight and 0 others, which would be random"),
        (_prefixed, "has no weights for bert.* which would be random"),
        (_untrained, "weights are not those of a trained classifier"),
        (_other_class, "names 'pipeline', which is no PreTrainedModel"),
        (_other_labels, "needs the label 'toxicity'"),
        (lambda loaded: loaded.pop("config"), "is not a Detoxify checkpoint.*KeyError: 'config'"),
    ],
)
def test_wrong_weights_are_not_believed(checkpoint: Path, change: Any, problem: str) -> None:
    choice, before = _changed(checkpoint, change), _states()
    with pytest.raises(ScorerError, match=problem):
        load_scorer(choice)
    assert _states() == before


class Trap:
    """Makes a folder when it is unpickled by whoever lets it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"config": Trap(tmp_path / "sprung"), "state_dict": {}}, tmp_path / "trap.ckpt")
    with pytest.raises(ScorerError, match="holds more than weights"):
        load_scorer(f"detoxify:{tmp_path / 'trap.ckpt'}")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(ScorerError, match=r"x\.ckpt is not a Detoxify checkpoint") as caught:
        load_scorer(f"detoxify:{tmp_path / 'x.ckpt'}")
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ScorerError, match="there is no Detoxify model or checkpoint 'unbiassed': choose one of"):
        load_scorer("detoxify:unbiassed")


def test_weights_that_cannot_be_fetched_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detoxify.detoxify.MODEL_URLS", {"unbiased": "http://127.0.0.1:9/unbiased.ckpt"})
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ScorerError, match=r'cannot be had .*refused.*or use scorer="embedded"'):
        load_scorer("detoxify")
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_hub_that_does_not_answer_is_left(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.ckpt"
        with pytest.raises(ScorerError, match="no answer within 2 s"):
            fetch.fetch_weights(url, tmp_path / "x.ckpt", limit_s=2.0)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_fetched_whole(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"weights")
    fetch.fetch_weights((tmp_path / "there").as_uri(), tmp_path / "deep" / "here.ckpt")
    assert (tmp_path / "deep" / "here.ckpt").read_bytes() == b"weights"
    assert len(list((tmp_path / "deep").iterdir())) == 1


class ShortSighted:
    """Reads the first 512 characters of a text."""

    def predict(self, texts: list[str]) -> dict[str, list[float]]:
        return {"toxicity": [0.9 if "idiot" in text[:512] else 0.1 for text in texts]}


@given(st.integers(0, 4000), st.integers(0, 100))
def test_an_insult_anywhere_in_a_long_text_is_read(before: int, after: int) -> None:
    found = DetoxifyToxicity(ShortSighted()).compute(predictions=["x" * before + " idiot " + "y" * after, "noon"])
    assert found["toxicity"] == [0.9, 0.1]


class Recorded:
    """Predicts the number in a text and returns, like Detoxify, a bare number for one text."""

    def predict(self, texts: list[str]) -> dict[str, Any]:
        scores = [float(text) for text in texts]
        return {"toxicity": scores if len(scores) > 1 else scores[0]}


@given(st.lists(st.floats(0, 1), max_size=50))
def test_scores_keep_the_order_of_texts(scores: list[float]) -> None:
    found = DetoxifyToxicity(Recorded()).compute(predictions=[repr(score) for score in scores])
    assert found["toxicity"] == scores


@given(st.text(max_size=5 * PIECE))
def test_pieces_overlap_and_hold_everything(text: str) -> None:
    pieces = _pieces(text)
    assert max(map(len, pieces)) <= PIECE
    assert pieces[0] + "".join(piece[OVERLAP:] for piece in pieces[1:]) == text
