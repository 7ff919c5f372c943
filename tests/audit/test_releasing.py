"""What is released has to be what was audited, and measured on those very weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.gate import Weights
from groundwire.audit.model import Audit, Checkpoint
from policy_material import LOSS, audit_of, judged, metric

BEST = Checkpoint(path="/runs/ck/best.ckpt", step=60, file_sha256="b" * 64)
LAST = Checkpoint(path="/runs/ck/last.ckpt", step=100, file_sha256="a" * 64)


def run(*more: Any) -> Audit:
    rows = [
        metric(value=2.0, checkpoint=LAST.path),
        metric(value=1.0, step=60, checkpoint=BEST.path, labels={"checkpoint": "best.ckpt"}),
        metric("gradient.norm_p95", 1.0),
        *more,
    ]
    return audit_of(*rows, checkpoints=[BEST, LAST])


def released(checkpoint: Checkpoint | None, audit: Audit | None = None, name: str = LOSS, **limit: Any) -> Any:
    ask = {"weights": Weights(checkpoint=checkpoint, told="another model")}
    document = {"schema": 1, "limits": {"it": {"metric": name, "max": 1.5} | limit}}
    return judged(audit or run(), document, ask=ask)


def test_the_row_of_the_released_weights_decides() -> None:
    assert released(BEST).exit_code == 0
    assert released(LAST).exit_code == 1
    assert judged(run(), max=1.5).exit_code == 1  # nobody said what is released: the run's end counts
    assert judged(run(), max=1.5, checkpoint="best.ckpt").exit_code == 0


def test_what_was_measured_on_other_weights_is_unknown_but_for_what_is_of_the_run() -> None:
    middle = Checkpoint(path="/runs/ck/middle.ckpt", step=80, file_sha256="c" * 64)
    verdict = released(middle)
    assert verdict.exit_code == 3
    assert "measured on the weights of step 100, and what is released is of step 80" in verdict.limits[0].reason
    assert released(middle, name="gradient.norm_p95").exit_code == 0


@pytest.mark.parametrize("limit", [{}, {"on_missing": "fail"}, {"level": "error"}])
def test_weights_that_were_not_audited_never_pass(limit: dict[str, Any]) -> None:
    verdict = released(None, **limit)
    assert (verdict.exit_code, verdict.limits[0].reason) == (3, "another model")


def test_a_policy_may_want_to_know_the_weights() -> None:
    document = {"schema": 1, "checkpoint": "required", "limits": {"it": {"metric": LOSS, "max": 9}}}
    verdict = judged(run(), document)
    assert verdict.exit_code == 3
    assert "which weights are released" in verdict.limits[0].reason
    assert judged(run(), document, ask={"weights": Weights(checkpoint=LAST, told="last.ckpt")}).exit_code == 0


@pytest.mark.parametrize(
    ("limit", "row", "code"),
    [
        ({"min_samples": 10}, {"n": 9}, 3),
        ({"min_samples": 10}, {"n": None}, 3),
        ({"min_samples": 10}, {"n": 10}, 0),
        ({"quality": ["measured"]}, {}, 3),
        ({"quality": ["declared", "measured"]}, {}, 0),
        ({"step": 100}, {}, 0),
        ({"step": 99}, {}, 3),
        ({"checkpoint": "best.ckpt"}, {}, 3),
    ],
)
def test_a_value_that_is_not_what_the_policy_accepts_is_unknown(
    limit: dict[str, Any], row: dict[str, Any], code: int
) -> None:
    assert judged(audit_of(metric(**row)), max=9, **limit).exit_code == code


@pytest.mark.parametrize(("unit", "code"), [("EUR", 0), ("", 3), ("kWh of it", 3)])
def test_money_is_in_a_currency(unit: str, code: int) -> None:
    audit = audit_of(metric("carbon.cost", 1.0, unit=unit))
    assert judged(audit, {"schema": 1, "limits": {"it": {"metric": "carbon.cost", "max": 2}}}).exit_code == code


def groups(**values: float | None) -> Audit:
    return audit_of(metric(value=1.0), *(metric(value=v, labels={"group": g}) for g, v in values.items()))


def test_the_worst_group_decides() -> None:
    assert judged(groups(a=1.0, b=1.4), max=1.5, worst_group="group").exit_code == 0
    verdict = judged(groups(a=1.0, b=1.6, c=1.7), max=1.5, worst_group="group")
    assert (verdict.exit_code, verdict.limits[0].labels) == (1, {"group": "c"})
    assert judged(groups(a=1.0, b=None), max=1.5, worst_group="group").exit_code == 3
    assert judged(groups(a=1.6, b=None), max=1.5, worst_group="group").exit_code == 1
    assert judged(groups(), max=1.5, worst_group="group").exit_code == 3
    assert judged(groups(a=1.0, b=0.4), max=9, min=0.5, worst_group="group").exit_code == 1


@pytest.mark.slow
def test_the_gate_knows_the_checkpoints_that_lightning_wrote(tmp_path: Path) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "callbacks"))
    import lightning as L
    import torch
    from groundwire.audit.load import load_audit
    from groundwire.audit.releasing import released as known
    from groundwire.callbacks import AuditCallback
    from material import Classifier, fit, trainer

    audited = AuditCallback(generation=None, carbon=None)
    saving = L.pytorch.callbacks.ModelCheckpoint(dirpath=tmp_path / "ck", monitor="val_loss", save_last=True)
    fit(trainer(tmp_path, audited, saving, max_epochs=4, enable_checkpointing=True), Classifier())
    audit, _ = load_audit(audited.folder or "")
    found = known(audit, Path(saving.best_model_path), audited.folder or "")
    assert found.checkpoint is not None
    state = torch.load(saving.best_model_path, weights_only=False)
    name = next(iter(state["state_dict"]))
    state["state_dict"][name] = state["state_dict"][name] + 1e-3
    torch.save(state, tmp_path / "other.ckpt")
    assert known(audit, tmp_path / "other.ckpt", audited.folder or "").checkpoint is None
    rows = [m for m in audit.metrics if m.labels.get("checkpoint")]
    assert all(m.checkpoint and m.step is not None for m in rows)
