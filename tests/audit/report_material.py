"""Audits and verdicts made up for the report's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundwire.audit.model import (
    Audit,
    Checkpoint,
    Confidence,
    Evidence,
    Finding,
    Metric,
    Mitigation,
    MonitorReport,
    NotChecked,
    Outcome,
    Quality,
    RuleOutcome,
    Run,
    RunStatus,
    Severity,
)
from groundwire.audit.safety import Disparity, GroupRate, PairDifference, Qualities, Rate, ScorerCard
from record_material import FakeRecord, record

__all__ = ["FakeLimit", "FakeRecord", "FakeVerdict", "audit", "empty", "met", "record", "run", "verdict"]


@dataclass(frozen=True)
class FakeLimit:
    id: str
    metric: str
    level: str
    outcome: str
    observed: Metric | None
    minimum: float | None
    maximum: float | None
    margin: float | None
    reason: str
    advice: str
    baseline: float | None = None
    change: float | None = None
    waiver: str = ""


@dataclass(frozen=True)
class FakeVerdict:
    policy: str
    outcome: str
    headline: str
    limits: tuple[FakeLimit, ...]
    notes: tuple[str, ...] = ()
    policy_sha256: str = ""
    checkpoint: str = ""


def run(**changes: Any) -> Run:
    settings: dict[str, Any] = {
        "id": "20261121T0059-7f3a",
        "status": RunStatus.FINISHED,
        "model": "TinyGPT",
        "started": "2026-11-21T00:59:12Z",
        "ended": "2026-11-21T01:40:30Z",
        "duration_s": 2478.0,
        "steps": 6000,
        "epochs": 12,
    }
    return Run(**(settings | changes))


def empty() -> Audit:
    return Audit(run=run(steps=0, epochs=0, status=RunStatus.RUNNING, ended=None, duration_s=None))


def metrics() -> list[Metric]:
    measured, modelled = Quality.MEASURED, Quality.MODELLED
    generation = {"quality": measured, "monitor": "GenerationMonitor", "scorer": "detoxify:unbiased", "n": 40}
    toxic = "generation.toxicity_probability"
    parts = [
        ("insult", 0.05, 0.01, 0.16),
        ("threat", 0.0, 0.0, 0.09),
        ("identity_attack", 0.025, 0.001, 0.13),
    ]
    return [
        Metric(
            name="carbon.energy_kwh",
            value=0.4213,
            unit="kWh",
            quality=modelled,
            monitor="CarbonMonitor",
            method="codecarbon 3.2, CPU by TDP, GPU by NVML",
        ),
        Metric(
            name="carbon.emissions_kg",
            value=None,
            unit="kg",
            quality=Quality.UNKNOWN,
            monitor="CarbonMonitor",
            method="codecarbon 3.2",
            reason="location unknown: set country_iso_code",
        ),
        Metric(
            name="carbon.duration_s",
            value=2471.3,
            unit="s",
            quality=measured,
            monitor="CarbonMonitor",
            method="wall clock",
        ),
        Metric(
            name="overfitting.gap",
            value=0.3127,
            low=0.271,
            high=0.354,
            confidence=0.95,
            n=512,
            unit="loss",
            quality=measured,
            monitor="OverfittingMonitor",
            method="paired bootstrap",
            step=6000,
        ),
        Metric(
            name="overfitting.best_step",
            value=2400.0,
            unit="step",
            quality=measured,
            monitor="OverfittingMonitor",
            method="lowest validation loss",
        ),
        Metric(
            name="gradient.norm_p95",
            value=1.31,
            unit="",
            quality=measured,
            n=6000,
            monitor="GradientMonitor",
            method="quantile of all steps",
        ),
        Metric(
            name="gradient.nonfinite_steps",
            value=3.0,
            unit="steps",
            quality=measured,
            n=6000,
            monitor="GradientMonitor",
            method="count",
        ),
        Metric(
            name=toxic,
            value=0.025,
            low=0.0013,
            high=0.111,
            confidence=0.95,
            unit="probability",
            method="Clopper-Pearson",
            **generation,
        ),
        *(
            Metric(
                name=toxic,
                value=value,
                low=low,
                high=high,
                confidence=0.95,
                unit="probability",
                method="Clopper-Pearson",
                labels={"label": label},
                **generation,
            )
            for label, value, low, high in parts
        ),
        Metric(
            name="logged.val_loss",
            value=2.184,
            unit="",
            quality=measured,
            monitor="AuditCallback",
            method="last logged value",
            step=6000,
        ),
    ]


def findings() -> list[Finding]:
    shared = {"status": "stable", "edition": "2026.11"}
    stop = Mitigation(
        text="Stop at the best step: the validation loss never fell below it afterwards.",
        settings={"trainer.max_steps": 2400},
        gain="same validation loss, 58 % less energy",
        cost="none",
        source="Prechelt 1998, Early stopping - but when?",
    )
    dropout = Mitigation(
        text="More dropout, if the run must go on.",
        settings={"model.dropout": 0.2, "optimizer.weight_decay": 0.1},
        gain="a smaller gap",
        cost="slower convergence",
        source="Srivastava et al. 2014",
    )
    clip = Mitigation(
        text="Clip the gradient at its 95th percentile.",
        settings={"trainer.gradient_clip_val": 1.31},
        gain="no jump in the loss",
        cost="none measured",
        source="Pascanu et al. 2013",
    )
    return [
        Finding(
            rule="OVF001",
            name="overfitting",
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            step=2400,
            summary="The validation loss rose since step 2,400 while the training loss fell.",
            evidence=[
                Evidence(
                    summary="The gap is 0.31, its interval excludes the limit.",
                    step=6000,
                    series="overfitting.gap",
                    value=0.3127,
                    limit=0.1,
                    unit="loss",
                )
            ],
            mitigations=[stop, dropout],
            **shared,
        ),
        Finding(
            rule="GRD003",
            name="exploding-gradient",
            severity=Severity.MEDIUM,
            confidence=Confidence.MEDIUM,
            step=900,
            summary="The gradient norm jumped to 210 times its trailing median.",
            follows_from="GRD001",
            evidence=[
                Evidence(
                    summary="A jump right before the first non-finite step.",
                    step=900,
                    series="gradient.norm",
                    value=210.0,
                    limit=10.0,
                    unit="× median",
                ),
                Evidence(
                    summary="The layer with the largest share.",
                    series="gradient.layer_norm",
                    layer="blocks.3.attn.qkv.weight",
                    value=190.0,
                ),
            ],
            mitigations=[clip],
            **shared,
        ),
        Finding(
            rule="GEN001",
            name="toxic-generations",
            severity=Severity.MEDIUM,
            confidence=Confidence.LOW,
            summary="1 of 40 prompts had a continuation scored 0.5 or more.",
            evidence=[
                Evidence(
                    summary="The worst continuation.",
                    value=0.81,
                    limit=0.5,
                    unit="probability",
                    sample="you are a complete and utter example of bad language",
                )
            ],
            **shared,
        ),
        Finding(
            rule="CAR001",
            name="location-unknown",
            severity=Severity.LOW,
            confidence=Confidence.HIGH,
            summary="Emissions are unknown because nobody said where the machine stands.",
            evidence=[Evidence(summary="No country_iso_code, no cloud region.")],
            mitigations=[
                Mitigation(
                    text="Say where the machine stands.",
                    gain="emissions with a quality",
                    cost="none",
                    source="codecarbon documentation",
                    settings={"data.country_iso_code": "FRA", "data.offline": True},
                )
            ],
            **shared,
        ),
    ]


def card() -> ScorerCard:
    found: dict[str, Any] = {
        "auc": 0.84, "auc_interval": (0.8, 0.87), "sensitivity": 0.47, "sensitivity_interval": (0.4, 0.54),
        "specificity": 0.89, "false_positive_rate": {"women": 0.09, "gay people": 0.36},
        "identities": {"women": Rate(value=0.09, low=0.0, high=0.41, n=11), "gay people": Rate(value=0.36, n=11)},
        "kinds": {"insult": Rate(value=1.0, low=0.9, high=1.0, n=37)},
    }  # fmt: skip
    return ScorerCard(
        **found, qualified=False, reasons=["it finds 47 % of the toxic texts"], scorer="embedded:x 1", data="ours",
        data_sha256="ab" * 32, n=500, toxic=189, threshold=0.5, caveats=["it misses 53 %"],
        masked=Qualities(**found, qualified=True),
    )  # fmt: skip


def disparity() -> Disparity:
    women = GroupRate(
        group="women", value=0.02, low=0.0, high=0.1, prompts=54, samples=270, correlation=0.3, effective_n=123.0
    )
    men = women.model_copy(update={"group": "men", "value": 0.06})
    pair = PairDifference(first="women", second="men", difference=0.04, low=-0.01, high=0.09, p=0.1, p_corrected=0.1)
    return Disparity(
        metric="generation.toxicity_disparity", axis="gender", gap=0.04, low=0.0, high=0.09, confidence=0.95, p=0.1,
        p_corrected=0.2, paired=True, n=54, k=5, groups=[women, men], pairs=[pair], scorer="embedded:x 1",
        masked=True, other_gap=0.08, prompt_gap=0.01, reason="the scorer may not decide between groups",
    )  # fmt: skip


def audit() -> Audit:
    return Audit(
        run=run(notes=["events.jsonl: one torn line dropped"]),
        metrics=metrics(),
        findings=findings(),
        rules=[
            RuleOutcome(rule="OVF001", name="overfitting", outcome=Outcome.FIRED),
            RuleOutcome(rule="GRD002", name="vanishing-gradient", outcome=Outcome.CLEAR),
            RuleOutcome(rule="GRD006", name="loss-spike", outcome=Outcome.CLEAR),
            RuleOutcome(rule="GRD009", name="stagnant-loss", outcome=Outcome.UNKNOWN, reason="fewer than 20 steps"),
        ],
        monitors=[
            MonitorReport(name="CarbonMonitor", status="ran", seconds=1.9, share=0.0008),
            MonitorReport(name="OverfittingMonitor", status="ran", seconds=9.2, share=0.0037),
            MonitorReport(name="EfficiencyMonitor", status="off", reason="not asked for"),
        ],
        scorers=[card()],
        disparities=[disparity()],
        checkpoints=[Checkpoint(path="checkpoints/best.ckpt", step=2400, file_sha256="9c1e" * 16)],
        not_checked=[NotChecked(what="group disparity", reason="no groups were declared")],
        environment={
            "python": "3.11.7",
            "torch": "2.13.0",
            "gpu": ["H200"],
            "git": {"commit": "4b2d", "dirty": False},
        },
        configuration={"trainer": {"max_steps": 6000, "precision": "bf16-mixed"}, "optimizer": {"lr": 0.003}},
        digest="ab" * 32,
    )


def verdict() -> FakeVerdict:
    found = audit()
    limits = (
        FakeLimit(
            "overfitting",
            "overfitting.gap",
            "error",
            "fail",
            found.metric("overfitting.gap"),
            None,
            0.1,
            -0.2127,
            "The whole interval is above the limit.",
            "trainer.max_steps = 2400",
        ),
        FakeLimit(
            "toxicity",
            "generation.toxicity_probability",
            "error",
            "unknown",
            found.metric("generation.toxicity_probability"),
            None,
            0.05,
            None,
            "The interval holds the limit.",
            "Score 53 more prompts.",
        ),
        FakeLimit(
            "emissions",
            "carbon.emissions_kg",
            "warn",
            "unknown",
            found.metric("carbon.emissions_kg"),
            None,
            1.0,
            None,
            "location unknown",
            "",
        ),
        FakeLimit(
            "energy",
            "carbon.energy_kwh",
            "error",
            "pass",
            found.metric("carbon.energy_kwh"),
            None,
            0.6,
            0.1787,
            "",
            "",
        ),
        FakeLimit(
            "quality",
            "logged.val_loss",
            "error",
            "waived",
            found.metric("logged.val_loss"),
            None,
            2.0,
            -0.184,
            "Accepted until 2026-12-31.",
            "",
        ),
    )
    return FakeVerdict("policy.toml", "fail", "Policy not met", limits)


def met() -> FakeVerdict:
    found = audit()
    limits = tuple(
        FakeLimit(name, name, "error", "pass", found.metric(name), None, maximum, margin, "", "")
        for name, maximum, margin in (("carbon.energy_kwh", 0.6, 0.1787), ("gradient.norm_p95", 1.4, 0.09))
    )
    return FakeVerdict("policy.toml", "pass", "Policy met", limits)
