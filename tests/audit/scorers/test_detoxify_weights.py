"""A checkpoint is believed only when its weights are whole, trained and nothing but weights."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detoxify_checkpoint import HARMLESS, TOXIC, describe, difference, save
from groundwire.audit.scorers import ScorerError, load_scorer
from groundwire.audit.scorers.detoxify import DetoxifyToxicity

Loaded = dict[str, Any]


def _changed(checkpoint: Path, change: Callable[[Loaded], Any]) -> Path:
    loaded = torch.load(checkpoint, weights_only=True)
    made = change(loaded)
    path = checkpoint.with_name("changed.ckpt")
    torch.save(loaded if made is None else made, path)
    return path


def _states() -> list[Any]:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]


def _refused(path: Path, problem: str) -> None:
    before = _states()
    with pytest.raises(ScorerError, match=problem) as caught:
        load_scorer(f"detoxify:{path}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(path), "")) < 400
    assert _states() == before


def _without_head(loaded: Loaded) -> None:
    del loaded["state_dict"]["classifier.weight"]


def _wide_head(loaded: Loaded) -> None:
    loaded["state_dict"]["classifier.weight"] = torch.zeros(3, 32)
    loaded["state_dict"]["classifier.bias"] = torch.zeros(3)


def _third_layer(loaded: Loaded) -> None:
    state = loaded["state_dict"]
    state |= {key.replace("layer.1.", "layer.2."): value for key, value in state.items()}


def _no_number(loaded: Loaded) -> None:
    loaded["state_dict"]["classifier.bias"][0] = float("nan")


def _untrained(loaded: Loaded) -> None:
    loaded["state_dict"]["classifier.weight"].zero_()


def _arguments(**changes: Any) -> Callable[[Loaded], None]:
    return lambda loaded: loaded["config"]["arch"]["args"].update(changes)


def _classes(*labels: Any) -> Callable[[Loaded], None]:
    return lambda loaded: loaded["config"]["dataset"]["args"].update(classes=list(labels))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without_head, "no weights of the right shape for classifier.weight and 0 others, which would be random"),
        (_wide_head, "no weights of the right shape for classifier.bias and 1 others"),
        (_third_layer, r"has weights for bert.encoder.layer.2.* which its model does not have"),
        (_no_number, "scores plain insults nan"),
        (_untrained, "its weights are not those of a classifier trained on English"),
        (_arguments(model_name="pipeline"), "names 'pipeline', which is no PreTrainedModel"),
        (_arguments(tokenizer_name="BertModel"), "names 'BertModel', which is no PreTrainedTokenizerBase"),
        (_arguments(num_classes=1), "has 1 outputs for 2 labels and 0 identities, so which is which is not known"),
        (_arguments(num_classes=3), "has 3 outputs for 2 labels and 0 identities"),
        (_arguments(num_classes="two"), "'config' in .* is not Detoxify's .ValueError"),
        (_classes("insult", "threat"), "needs the label 'toxicity' and names that differ, got .'insult', 'threat'."),
        (_classes("toxic", "toxicity"), "needs the label 'toxicity' and names that differ"),
        (_classes("toxic", 3), "needs the label 'toxicity' and names that differ"),
        (_classes(), "needs the label 'toxicity'"),
        (lambda loaded: loaded.pop("config") and None, "has no 'config', which Detoxify needs"),
        (lambda loaded: loaded.pop("state_dict") and None, "has no 'state_dict', which Detoxify needs"),
        (lambda loaded: loaded["config"].pop("arch") and None, "'config' in .* is not Detoxify's .KeyError: 'arch'"),
        (lambda loaded: loaded["state_dict"], "has no 'config', which Detoxify needs"),
        (lambda loaded: {**loaded, "state_dict": {}}, "no weights of the right shape for bert"),
        (lambda loaded: [1, 2], "has no 'config', which Detoxify needs"),
    ],
)
def test_wrong_weights_are_not_believed(checkpoint: Path, change: Any, problem: str) -> None:
    _refused(_changed(checkpoint, change), problem)


@pytest.mark.parametrize("prefix", ["module.", "model.", "model.module.", "module.model."])
def test_weights_of_a_wrapped_network_are_unwrapped(checkpoint: Path, prefix: str) -> None:
    def wrap(loaded: Loaded) -> None:
        loaded["state_dict"] = {prefix + key: value for key, value in loaded["state_dict"].items()}

    plain, texts = DetoxifyToxicity(checkpoint), TOXIC[:20] + HARMLESS[:20]
    found = DetoxifyToxicity(_changed(checkpoint, wrap)).compute(predictions=texts)
    assert difference(found, plain.compute(predictions=texts)) == 0.0


def test_positions_that_older_releases_saved_are_no_weights(checkpoint: Path) -> None:
    def older(loaded: Loaded) -> None:
        loaded["state_dict"]["bert.embeddings.position_ids"] = torch.arange(64)[None]

    assert DetoxifyToxicity(_changed(checkpoint, older)).compute(predictions=[TOXIC[0]])["toxicity"][0] > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_a_head_of_random_weights_is_refused(checkpoint: Path, seed: int) -> None:
    def randomize(loaded: Loaded) -> None:
        chance = torch.Generator().manual_seed(seed)
        for name in ("classifier.weight", "classifier.bias"):
            loaded["state_dict"][name].normal_(0, 0.02, generator=chance)

    _refused(_changed(checkpoint, randomize), "its weights are not those of a classifier trained on English")


@pytest.mark.parametrize("family", ["Bert", "Roberta", "Albert"])
@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_was_never_trained_is_refused(tmp_path: Path, family: str, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, _ = describe(tmp_path, family, outputs=2)
    _refused(save(tmp_path / "new.ckpt", tmp_path, network, family), "are not those of a classifier trained")


class Trap:
    """Makes a folder when it is unpickled by whoever lets it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, zipped: bool) -> None:
    trap = {"config": Trap(tmp_path / "sprung"), "state_dict": {}}
    torch.save(trap, tmp_path / "trap.ckpt", _use_new_zipfile_serialization=zipped)
    _refused(tmp_path / "trap.ckpt", "holds more than weights, which could run code")
    assert not (tmp_path / "sprung").exists()


def test_an_old_torch_does_not_open_the_old_format(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = torch.load(checkpoint, weights_only=True)
    torch.save(loaded, checkpoint.with_name("old.ckpt"), _use_new_zipfile_serialization=False)
    assert load_scorer(f"detoxify:{checkpoint.with_name('old.ckpt')}").score(TOXIC[:1])[0] > 0.9
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.5.1"))
    _refused(checkpoint.with_name("old.ckpt"), "has a format that is not safe to open with torch 2.5.1: update torch")
    assert load_scorer(f"detoxify:{checkpoint}").score(TOXIC[:1])[0] > 0.9


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half", b"\x80\x02."])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    _refused(tmp_path / "x.ckpt", r"x\.ckpt is not a Detoxify checkpoint, is damaged")


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_one_sentence(checkpoint: Path, tmp_path: Path, kept: float) -> None:
    whole = checkpoint.read_bytes()
    (tmp_path / "x.ckpt").write_bytes(whole[: int(kept * len(whole))])
    _refused(tmp_path / "x.ckpt", r"x\.ckpt is not a Detoxify checkpoint, is damaged")


def test_a_folder_and_an_unknown_name_are_told(tmp_path: Path) -> None:
    _refused(tmp_path, "is a folder: name the checkpoint in it")
    _refused(Path("unbiassed"), "there is no Detoxify model or checkpoint 'unbiassed': choose one of original,")


def _copied(checkpoint: Path, folder: Path) -> Path:
    """Return a checkpoint with its description beside it and no other that it could fall back on."""
    for file in checkpoint.parent.glob("*.json"):
        shutil.copy(file, folder)

    def elsewhere(loaded: Loaded) -> None:
        loaded["config"]["arch"]["args"]["model_type"] = "nobody/has-this"

    path = folder / "copy.ckpt"
    _changed(checkpoint, elsewhere).replace(path)
    return path


def test_a_description_beside_the_checkpoint_is_enough(checkpoint: Path, tmp_path: Path) -> None:
    path = _copied(checkpoint, tmp_path)
    before, environment = _states(), dict(os.environ)
    scorer = load_scorer(f"detoxify:{path}")
    scores = scorer.score([*TOXIC, *HARMLESS])
    assert min(scores[: len(TOXIC)]) > 0.5 > max(scores[len(TOXIC) :])
    assert (_states(), dict(os.environ)) == (before, environment)
    assert re.fullmatch(r"detoxify:copy\.ckpt@[0-9a-f]{8} 0\.\S+", scorer.name)


def test_a_checkpoint_without_its_tokenizer_is_not_given_an_empty_one(
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    path = _copied(checkpoint, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    _refused(path, "the tokenizer knows 5 tokens and the model .* put the tokenizer's own files beside")


def test_another_models_tokenizer_is_not_believed(checkpoint: Path, tmp_path: Path) -> None:
    path = _copied(checkpoint, tmp_path)
    describe(tmp_path / "other", "Roberta", outputs=2)
    shutil.copy(tmp_path / "other" / "tokenizer.json", tmp_path)
    with pytest.raises(ScorerError):
        load_scorer(f"detoxify:{path}")


def test_a_file_named_like_a_model_does_not_pass_for_it(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(checkpoint, tmp_path / "unbiased")
    monkeypatch.chdir(tmp_path)
    assert load_scorer("detoxify:./unbiased").name.startswith("detoxify:unbiased@")
