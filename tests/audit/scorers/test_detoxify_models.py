"""Each of Detoxify's five models is loaded as Detoxify itself loads it, and in bounded time when it cannot be had."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from detoxify import Detoxify
from detoxify.detoxify import MODEL_URLS
from detoxify_checkpoint import MOST, describe, difference, save, train, words
from groundwire.audit.scorers import DETOXIFY, ScorerError, fetch, load_scorer
from groundwire.audit.scorers.detoxify import PLAINLY_NOT, PLAINLY_TOXIC, DetoxifyToxicity

ORIGINAL = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
UNBIASED = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]
IDENTITIES = [f"identity {number}" for number in range(9)]
# Class, labels and identities as in the configurations of Detoxify's repository.
MODELS: dict[str, tuple[str, list[str], list[str]]] = {
    "original": ("Bert", ORIGINAL, []),
    "unbiased": ("Roberta", UNBIASED, IDENTITIES),
    "multilingual": ("XLMRoberta", UNBIASED, IDENTITIES),
    "original-small": ("Albert", ORIGINAL, []),
    "unbiased-small": ("Albert", UNBIASED, IDENTITIES),
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield an empty folder where torch, and so Detoxify, looks for what was downloaded."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    yield tmp_path / "hub" / "checkpoints"
    if bars:
        transformers.utils.logging.enable_progress_bar()


@pytest.mark.slow
@pytest.mark.parametrize("model", DETOXIFY)
def test_each_model_scores_as_detoxify_does(model: str, hub: Path, tmp_path: Path) -> None:
    family, labels, identities = MODELS[model]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, tokenizer = describe(tmp_path / "base", family, outputs=len(labels) + len(identities))
        known = [(text, 1.0) for text in PLAINLY_TOXIC] + [(text, 0.0) for text in PLAINLY_NOT]
        train(network, tokenizer, known, rounds=60)
    file = MODEL_URLS[model].rpartition("/")[2]
    save(hub / file, tmp_path / "base", network, family, classes=labels, identity_classes=identities)
    detoxify, ours = Detoxify(model), DetoxifyToxicity(model)
    texts = [words(length, tokenizer, length) for length in (0, 1, 5, 20)] + [*PLAINLY_TOXIC, *PLAINLY_NOT]
    texts += [text for length in range(2, 80) if _fills(text := words(length, tokenizer), tokenizer)]
    assert difference(ours.compute(predictions=texts), detoxify.predict(texts)) < 1e-5
    assert load_scorer(f"detoxify:{model}").name.startswith(f"detoxify:{model} 0.")


def _fills(text: str, tokenizer: Any) -> bool:
    """Return whether a text has all tokens that the model reads at once, and not one more."""
    return len(tokenizer(text)["input_ids"]) == MOST


def test_weights_that_cannot_be_fetched_leave_nothing(hub: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("detoxify.detoxify.MODEL_URLS", {"unbiased": "http://127.0.0.1:9/unbiased.ckpt"})
    with pytest.raises(ScorerError, match=r'cannot be had .*refused.*or use scorer="embedded"') as caught:
        load_scorer("detoxify")
    assert "\n" not in str(caught.value)
    assert list(hub.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@contextmanager
def _server(answer: bytes, every_s: float) -> Iterator[str]:
    """Yield the address of a server that goes on sending a little for ever."""
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                while not ended.wait(every_s):
                    connection.sendall(answer)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x.ckpt"
        ended.set()


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"X-Slow: 1\r\n"])
def test_a_server_that_keeps_one_waiting_is_left(tmp_path: Path, answer: bytes) -> None:
    began = time.monotonic()
    with _server(answer, every_s=0.2) as url, pytest.raises(ScorerError) as caught:
        fetch.fetch_weights(url, tmp_path / "x.ckpt", limit_s=2.0)
    assert "cannot be had" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_ends_too_soon_is_not_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ScorerError, match=r"cannot be had .*(4 of 100 bytes|Incomplete)"):
            fetch.fetch_weights(f"http://127.0.0.1:{listening.getsockname()[1]}/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_fetched_whole(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"weights")
    fetch.fetch_weights((tmp_path / "there").as_uri(), tmp_path / "deep" / "here.ckpt")
    assert (tmp_path / "deep" / "here.ckpt").read_bytes() == b"weights"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_the_working_directory_holds_no_sway_over_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "urllib").mkdir()
    (tmp_path / "urllib" / "__init__.py").write_text("raise RuntimeError('not the real one')")
    (tmp_path / "there").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    fetch.fetch_weights((tmp_path / "there").as_uri(), tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == b"weights"


OFFLINE = """
import sys, time
from groundwire.audit.scorers import ScorerError, load_scorer
began = time.monotonic()
try:
    load_scorer("detoxify:" + sys.argv[1])
except ScorerError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_base_model_that_cannot_be_had_is_one_sentence_and_soon(tmp_path: Path) -> None:
    # In a process of its own, because the hub's library reads its settings when it is imported.
    network, _ = describe(tmp_path / "base", "Bert", outputs=2)
    path = save(tmp_path / "x.ckpt", Path("nobody/has-this"), network, "Bert")
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-W", "error::UserWarning:groundwire", "-c", OFFLINE, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=os.environ | nowhere)
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("Detoxify's configuration of 'nobody/has-this' cannot be had (")
    assert done.stderr == ""
