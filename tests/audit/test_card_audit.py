"""The part of a model card that tells of the audit."""

from __future__ import annotations

import pytest
import report_material as material
from groundwire.audit.exports.audited import audited
from groundwire.audit.exports.huggingface import section
from groundwire.audit.model import Quality
from markdown_it import MarkdownIt


def rows(**changes: object) -> dict[str, str]:
    return {row.name: row.value for row in audited(material.audit().model_copy(update=changes)).rows}


def test_findings_numbers_and_what_was_not_checked() -> None:
    told = rows()
    assert told["Findings"].startswith("overfitting (high), exploding-gradient (medium)")
    assert told["Hints"] == "none"
    assert told["Generalisation gap, validation less training loss"] == "0.313 loss [0.271, 0.354] at 95 %, n = 512"
    assert told["Not checked"].startswith("group disparity")
    assert told["Digest of audit.json"] == "ab" * 32
    assert "Continuations with personal data" not in told


@pytest.mark.parametrize("change", [{"quality": Quality.UNKNOWN}, {"value": None, "reason": "lost"}])
def test_what_decides_nothing_is_not_told(change: dict[str, object]) -> None:
    gap = material.audit().metric("overfitting.gap")
    assert gap is not None
    assert "Generalisation gap, validation less training loss" not in rows(metrics=[gap.model_copy(update=change)])


def test_many_are_counted() -> None:
    told = rows(findings=material.audit().findings * 5)
    assert told["Findings"].endswith("12 more")


def test_the_card_has_both_parts_and_promises_nothing() -> None:
    text = section(material.audit())
    assert text.index("## Energy and emissions of training") < text.index("## Audit of the training")
    for word in ("compliant", "unbiased", " safe"):
        assert word not in text.lower()


def test_hostile_names_stay_text() -> None:
    hostile = "<img src=x> | [a](http://e) @all"
    finding = material.audit().findings[0].model_copy(update={"name": hostile})
    text = section(material.audit().model_copy(update={"findings": [finding]}))
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {each.type for token in parsed for each in (token, *(token.children or ()))}
    assert not {"link_open", "image", "html_inline", "html_block"} & kinds
    assert "@" not in text
