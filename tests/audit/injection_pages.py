"""Pages and Markdown of an audit in which each field is filled, with payloads in the place of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import report_material as material
from groundwire.audit.baseline import Baseline
from groundwire.audit.gate import Question, Verdict, decide
from groundwire.audit.model import Audit
from groundwire.audit.policy import parse_policy
from groundwire.audit.report import render_html, render_markdown
from groundwire.audit.waivers import Waiver
from injection_payloads import PAYLOADS, twin
from injection_places import Place, changed, filled, free_keys, places

RECORD = material.record(steps=60, layers=2)
TEXTS = list(PAYLOADS.values())


def audit() -> dict[str, Any]:
    document: dict[str, Any] = filled(Audit, material.audit().model_dump())
    document["schema_version"] = 1
    return document


AUDIT = audit()
PLACES = [place for place in places(AUDIT, free_keys(Audit)) if place.path != ("digest",)]
POLICY = parse_policy(
    {
        "schema": 1,
        "limits": {
            "gap": {"metric": "overfitting.gap", "max": 0.1, "max_regression": 0.01},
            "toxicity": {"metric": "generation.toxicity_probability", "max": 0.05},
            "energy": {"metric": "carbon.energy_kwh", "max": 0.6},
            "emissions": {"metric": "carbon.emissions_kg", "max": 1.0, "level": "warn"},
            "quality": {"metric": "logged.val_loss", "max": 2.0},
        },
    },
    "policy.toml",
)
WAIVER = Waiver(limit="quality", up_to=3.0, reason="known", expires=date(2026, 12, 31), approved_by="somebody")


def judged(audit: Audit) -> tuple[Verdict, Baseline]:
    """Return what the gate says of an audit, compared with another."""
    other = Audit.model_validate(AUDIT)
    finished = other.run.model_copy(update={"status": "finished", "damage": []})
    baseline = Baseline(where="baseline.json", audit=other.model_copy(update={"run": finished}))
    question = Question(baseline=baseline, waivers=(WAIVER,), today=date(2026, 11, 21))
    return decide(audit, POLICY, question), baseline


def page(texts: dict[Place, str], record: Any = None) -> str:
    found = Audit.model_validate(changed(AUDIT, texts))
    verdict, baseline = judged(found)
    return render_html(found, record, verdict, samples="full", baseline=baseline)


def markdown(texts: dict[Place, str], record: Any = None) -> str:
    found = Audit.model_validate(changed(AUDIT, texts))
    verdict, baseline = judged(found)
    return render_markdown(found, record, verdict, baseline=baseline)


# By these the page chooses sections and charts: they keep their texts in half of the pages, so that all are shown.
CHOOSING = {"name", "rule", "series", "metric", "status", "axis", "unit", "scorer", "what"}
TELLING = [place for place in PLACES if place.path[-1] not in CHOOSING and not place.is_key]
HALVES = [(PLACES, None), (TELLING, RECORD)]


def square(shift: int, chosen: Sequence[Place]) -> tuple[dict[Place, str], dict[Place, str]]:
    """Return the payloads of one page by place, and their twins."""
    found = {place: TEXTS[(index + shift) % len(TEXTS)] for index, place in enumerate(chosen)}
    return found, {place: twin(text) for place, text in found.items()}
