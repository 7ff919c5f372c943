"""Verdicts made up for the outputs of the gate: one with every outcome, and any with hostile text."""

from __future__ import annotations

from typing import Any

from groundwire.audit.gate import Verdict
from groundwire.audit.limits import LimitVerdict
from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus
from groundwire.audit.verdicts import Judged
from hypothesis import strategies as st

NEVER = "\x1b\x07\x9b\r\u202e\u2028\ufeff\u2066\x00\ufffe"  # characters that act
HOSTILE = (
    "\x1b]0;x\x07\u202eevil\r\n::set-output name=x::y",
    "::error file=a::b",
    "##[stop-commands]x ##vso[task.setvariable]y",
    "]]> <b>&amp; <!-- --> [[ATTACHMENT|/etc/passwd]]",
    "a|b\\|c `x` ``` [a](http://e.example) ![i](http://e.example/x.png) <img src=x onerror=y> @team #1 www.e.example",
    "%0A::warning::x,file=b:c",
    "https://e.example/x \ud800 日本語 é 😀",
    "\ufffe\x00\x85\u2028",
    "x" * 700,
    "\U000e0001" * 700,
    " ",
    "",
)
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec=None, exclude_categories=()), max_size=30))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBERS


def metric(name: str = "overfitting.gap", value: float | None = 0.3127, **more: Any) -> Metric:
    fields: dict[str, Any] = {"unit": "loss", "quality": Quality.MEASURED, "method": "", "monitor": "overfitting"}
    return Metric(name=name, value=value, **(fields | more))


def limit(name: str = "overfitting", outcome: str = "pass", **more: Any) -> LimitVerdict:
    fields: dict[str, Any] = {
        "id": name, "metric": "overfitting.gap", "level": "error", "outcome": outcome, "observed": metric(),
        "minimum": None, "maximum": 0.1, "margin": None, "reason": "", "advice": "", "line": 1,
    }  # fmt: skip
    return LimitVerdict(**(fields | more))


def failed(name: str = "overfitting", **more: Any) -> LimitVerdict:
    fields: dict[str, Any] = {
        "margin": -0.2127, "reason": "0.213 beyond the limit", "advice": "trainer.max_steps=2400", "line": 7
    }  # fmt: skip
    return limit(name, "fail", **(fields | more))


def passed(name: str = "energy", margin: float = 0.18, **more: Any) -> LimitVerdict:
    seen = metric("carbon.energy_kwh", 0.42, unit="kWh")
    return limit(name, metric=seen.name, observed=seen, maximum=0.6, margin=margin, **more)


def unknown(name: str = "toxicity", **more: Any) -> LimitVerdict:
    seen = metric("generation.toxicity_probability", 0.025, unit="probability", low=0.001, high=0.11, n=40)
    fields: dict[str, Any] = {"metric": seen.name, "observed": seen, "maximum": 0.05, "line": 12}
    told = {"reason": "about 93 samples would tell (here 40)", "advice": "ask more prompts", "needed": 93}
    return limit(name, "unknown", **(fields | told | more))


def waived(name: str = "quality") -> LimitVerdict:
    seen = metric("logged.val_loss", 2.184, unit="")
    told = "accepted for the pilot, by A. Person, until 2026-12-31, 12 days left"
    return limit(
        name, "waived", metric=seen.name, observed=seen, maximum=2.0, margin=-0.184, waiver=told, baseline=2.1,
        change=0.084,
    )  # fmt: skip


def broken() -> LimitVerdict:
    seen = metric("gradient.norm_p95", None, reason="measuring broke")
    return limit("norm", "error", metric=seen.name, observed=seen, reason="measuring broke", level="warn")


def verdict(*limits: LimitVerdict, outcome: str = "fail", **more: Any) -> Verdict:
    return Verdict(policy="policy.toml", outcome=outcome, limits=limits, **more)


def audit(name: str = "20261121T0059-7f3a", model: str = "TinyGPT") -> Audit:
    run = Run(id=name, status=RunStatus.FINISHED, model=model, started="2026-11-21T00:59:12Z", steps=6000)
    return Audit(run=run)


def every_outcome() -> Judged:
    limits = (passed(), waived(), broken(), unknown(), failed("loss", level="warn"), failed())
    notes = ("the waiver of energy is not used",)
    return verdict(*limits, notes=notes, policy_sha256="ab" * 32, checkpoint="best.ckpt, step 2,400"), audit()


def met(name: str = "good") -> Judged:
    return verdict(passed(), passed("spikes", 0.02), outcome="pass"), audit(name)


def cannot_tell(name: str = "open") -> Judged:
    return verdict(unknown(), passed(), outcome="unknown"), audit(name)


@st.composite
def any_limit(draw: st.DrawFn) -> LimitVerdict:
    seen = draw(
        st.none()
        | st.builds(
            metric, TEXT, MAYBE, unit=TEXT, low=MAYBE, high=MAYBE, reason=st.just("why"), method=TEXT, scorer=TEXT
        )
    )
    return limit(
        draw(TEXT),
        draw(st.sampled_from(("pass", "fail", "unknown", "error", "waived"))),
        metric=draw(TEXT),
        level=draw(st.sampled_from(("error", "warn"))),
        observed=seen,
        minimum=draw(MAYBE),
        maximum=draw(MAYBE),
        margin=draw(MAYBE),
        baseline=draw(MAYBE),
        change=draw(MAYBE),
        reason=draw(TEXT),
        advice=draw(TEXT),
        waiver=draw(TEXT),
        labels=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        line=draw(st.integers(0, 99)),
    )


@st.composite
def any_judged(draw: st.DrawFn) -> Judged:
    limits = draw(st.lists(any_limit(), max_size=3))
    told = verdict(
        *limits,
        outcome=draw(st.sampled_from(("pass", "fail", "unknown"))),
        notes=tuple(draw(st.lists(TEXT, max_size=3))),
        checkpoint=draw(TEXT),
    )
    return told, audit(draw(TEXT), draw(TEXT))


ANY = st.lists(any_judged(), min_size=1, max_size=2)
UNREAD = st.lists(TEXT.filter(bool), max_size=2)
