"""The report as Markdown: the whole verdict in words, and within what a comment of a pull request may have."""

from __future__ import annotations

from typing import Any

import pytest
import report_material as material
from groundwire.audit.model import Audit
from groundwire.audit.report import render_markdown
from markdown_it import MarkdownIt

MOST = 65_536
HOSTILE = "<b>`|` @all ![x](http://e) \x1b[31m\u202e\u200b {{ 7*7 }} :// www.e.com $x$ ~~~ #1"
ODD = "𝔘" * 3_000  # two units each

FAILED = "## Limits that failed, or that nobody can tell"


def units(text: str) -> int:
    """Return the length as GitHub counts it at worst: UTF-16, and two for the end of a line."""
    return len(text.encode("utf-16-le")) // 2 + text.count("\n")


def kinds(text: str) -> set[str]:
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    return {each.type for token in parsed for each in (token, *(token.children or ()))}


def limit(name: str, outcome: str, **more: Any) -> material.FakeLimit:
    told = {
        "level": "error",
        "observed": material.audit().metrics[3],
        "minimum": None,
        "maximum": 0.1,
        "margin": -0.2,
    }
    return material.FakeLimit(**({"id": name, "metric": name, "outcome": outcome, "reason": name, "advice": name}
                                 | told | more))  # fmt: skip


def crowded(text: str, amount: int) -> tuple[Audit, material.FakeVerdict]:
    """Return an audit and a verdict with so many of everything, and this text in all of it."""
    audit = material.audit()
    finding = audit.findings[0]
    evidence = [finding.evidence[0].model_copy(update={"summary": text, "layer": text, "sample": text})] * 5
    advice = [finding.mitigations[0].model_copy(update={"text": text, "settings": {text: text}, "source": text})] * 5
    told = {"summary": text, "name": text, "evidence": evidence, "mitigations": advice}
    metric = audit.metrics[0].model_copy(update={"method": text})
    unjudged = audit.not_checked[0]
    crowd = audit.model_copy(
        update={
            "findings": [finding.model_copy(update=told)] * amount,
            "metrics": [metric.model_copy(update={"name": f"logged.{place}{text}"}) for place in range(amount)],
            "not_checked": [unjudged.model_copy(update={"what": f"{place}{text}"}) for place in range(amount)],
            "configuration": {"model": {f"{place}{text}": text for place in range(amount)}},
            "checkpoints": audit.checkpoints * amount,
        }
    )
    limits = [limit(text, ("fail", "unknown", "waived", "pass")[place % 4]) for place in range(amount)]
    return crowd, material.FakeVerdict(text, "fail", text, tuple(limits))


def test_every_limit_is_told_with_all_that_a_reader_needs() -> None:
    text = render_markdown(material.audit(), material.record(), material.verdict())
    for row in (
        "| ✗ fail | `overfitting` | `overfitting.gap` | 0.313 \\[0.271, 0.354\\] at 95 % (measured, n = 512) | ≤ 0.1 "
        "| −0.213 |  | The whole interval is above the limit. | trainer.max\\_steps = 2400 |",
        "| ✓ pass | `energy` | `carbon.energy_kwh` | 0.421 kWh  (modelled) | ≤ 0.6 | 0.179 |",
    ):
        assert row in text
    titles = [FAILED, "## Waived", "## Warnings", "## Limits that are met", "## Findings",
              "## Metrics", "## Not checked", "## Provenance", "Digest of audit.json"]  # fmt: skip
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "Left out" not in text


def test_findings_carry_evidence_remedies_and_settings() -> None:
    text = render_markdown(material.audit(), material.record(), material.verdict())
    for said in (
        "### 1. high: overfitting (OVF001)", "(0.313 against 0.1 loss) at step 6000", "`trainer.max_steps = 2400`",
        "Gain: same validation loss, 58 % less energy. Cost: none. Source: Prechelt 1998",
        "(generated text left out)",
    ):  # fmt: skip
        assert said in text
    assert "complete and utter" not in text


def test_provenance_names_code_data_and_checkpoints() -> None:
    told = render_markdown(material.audit(), None).split("## Provenance")[1]
    for said in ("`commit` 4b2d", "`trainer.max_steps` 6000", "`checkpoints/best.ckpt` of step 2400", "9c1e" * 16):
        assert said in told


@pytest.mark.slow
@pytest.mark.parametrize("amount", [40, 400])
@pytest.mark.parametrize("text", ["long " * 400, HOSTILE * 20, ODD, "\u200b" * 3_000], ids=range(4))
def test_it_fits_into_a_comment_and_says_what_was_dropped(text: str, amount: int) -> None:
    audit, verdict = crowded(text, amount)
    made = render_markdown(audit, None, verdict)
    assert units(made) <= MOST
    assert "Left out to fit into 65,536 characters" in made
    for stays in (
        "## Limits that failed, or that nobody can tell",
        "## Findings",
        "## Not checked",
        "Digest of audit.json: `abab",
    ):
        assert stays in made
    assert not {"link_open", "image", "html_inline", "html_block"} & kinds(made)
    assert "@" not in made


def test_what_is_dropped_is_counted() -> None:
    audit, verdict = crowded("x" * 300, 200)
    made = render_markdown(audit, None, verdict)
    dropped = made.split("stands above: ")[1].split(". All")[0]
    told = {what: int(amount) for amount, what in (part.split(" × ") for part in dropped.split(", "))}
    shown = made.split("## Not checked")[1].split("## Provenance")[0].count("\n- ") - 1
    assert told["item that was not checked"] + shown == 200 + 2  # and a rule and a monitor
    limits = sum(made.count(f"| {symbol} ") for symbol in "✗?○✓")
    assert told.get("limit", 0) + limits >= 200


def test_the_worst_is_dropped_last() -> None:
    audit, verdict = crowded("y" * 300, 60)
    made = render_markdown(audit, None, verdict)
    assert made.count("| ✗ fail |") == 15
    assert made.count("| ? unknown |") == 15
