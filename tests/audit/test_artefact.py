"""Whether a file holds the audited weights: a match only for those, whatever the file, and never by not knowing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.artefact import Audited, audited
from groundwire.audit.errors import UsageError
from groundwire.audit.load import load_audit
from groundwire.audit.model import Checkpoint
from groundwire.audit.tensors import file_sha256
from released_material import checkpoint, export, released_run, state

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


def outcome(run: Path, path: Path) -> Audited:
    audit, digest_ok = load_audit(str(run))
    assert digest_ok
    return audited(audit, path)


def test_a_copy_of_a_checkpoint_matches_byte_for_byte(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    copy = Path(shutil.copy(tmp_path / "last.ckpt", tmp_path / "model.bin"))
    found = outcome(run, copy)
    assert found.outcome == "match"
    assert [each.path for each in found.checkpoints] == [str(tmp_path / "last.ckpt")]
    assert found.told == f"{copy} holds the audited weights of {tmp_path / 'last.ckpt'} (step 50), byte for byte."


def test_all_checkpoints_with_the_same_weights_are_told(tmp_path: Path) -> None:
    """Best and last are often the same weights in two files whose bytes differ."""
    audit, _ = load_audit(str(released_run(tmp_path)))
    last = audit.checkpoints[1]
    best = last.model_copy(update={"path": "best-50.ckpt", "file_sha256": "0" * 64})
    both = audit.model_copy(update={"checkpoints": [best, last]})
    assert audited(both, tmp_path / "last.ckpt").checkpoints == (best, last)


def test_an_export_matches_tensor_for_tensor(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    renamed = {f"model.{name}": tensor for name, tensor in state(20).items()}
    found = outcome(run, export(tmp_path / "model.safetensors", renamed))
    assert (found.outcome, found.checkpoints[0].step) == ("match", 20)
    again = checkpoint(tmp_path / "again.ckpt", 20, epoch=7)
    assert outcome(run, again).outcome == "match"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {name: tensor.bfloat16() for name, tensor in s.items()},
        lambda s: {name: (tensor + 0.01) for name, tensor in s.items()},
        lambda s: {"net.weight": s["net.weight"]},
        lambda s: s | {"adapter": torch.zeros(2)},
        lambda s: {"net.weight": state(50)["net.weight"], "net.bias": state(20)["net.bias"]},
    ],
    ids=["cast", "merged", "without a tensor", "with one more", "of two steps"],
)
def test_weights_that_were_changed_differ(tmp_path: Path, change: Any) -> None:
    run = released_run(tmp_path)
    found = outcome(run, export(tmp_path / "model.safetensors", change(state(50))))
    assert (found.outcome, found.checkpoints) == ("differs", ())
    assert "holds other weights than the 2 checkpoints" in found.told


def test_what_cannot_be_told_is_unknown(tmp_path: Path) -> None:
    export(tmp_path / "model.safetensors", state(50))
    (tmp_path / "files").mkdir()
    by_bytes = released_run(tmp_path / "files", tensors=False)
    assert outcome(by_bytes, tmp_path / "model.safetensors").outcome == "unknown"
    (tmp_path / "none").mkdir()
    nothing = outcome(released_run(tmp_path / "none", files=False, tensors=False), tmp_path / "model.safetensors")
    assert nothing.outcome == "unknown"
    assert "--complete" in nothing.told
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(b"PK\x03\x04")
    (tmp_path / "both").mkdir()
    assert outcome(released_run(tmp_path / "both"), broken).outcome == "unknown"


def test_what_is_not_there_is_a_wrong_command(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    with pytest.raises(UsageError, match="There is no file"):
        outcome(run, tmp_path / "none.ckpt")


def test_weights_in_parts_match_only_as_a_whole(tmp_path: Path) -> None:
    """`groundwire generate` records each file of a folder by its bytes."""
    hub = tmp_path / "hub"
    hub.mkdir()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    placed = dict(zip(state(1), names, strict=True))
    for tensor, name in placed.items():
        export(hub / name, {tensor: state(1)[tensor]})
    (hub / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    audit, _ = load_audit(str(released_run(tmp_path)))
    parts = [Checkpoint(path=str(hub / name), step=0, file_sha256=file_sha256(hub / name)) for name in names]
    asked = audit.model_copy(update={"checkpoints": parts})
    assert audited(asked, hub).outcome == "match"
    assert audited(asked, hub / names[0]).outcome == "unknown"
    assert audited(asked.model_copy(update={"checkpoints": parts[:1]}), hub).outcome == "unknown"
