"""Evidence for frameworks: every name exists, nothing unknown is evidence, and nothing is promised."""

from __future__ import annotations

import re

import pytest
import report_material as material
from groundwire.audit import registry
from groundwire.audit.exports.framework_items import ABOUT, ANNEX_XI, ITEMS, NIST, Item
from groundwire.audit.exports.frameworks import FACTS, MOST, PLACES, evidence, frameworks
from groundwire.audit.model import Outcome, Quality, RuleOutcome
from groundwire.audit.report import _markdown, html_environment
from groundwire.audit.rules import RULES
from markdown_it import MarkdownIt

NUMBERING = {
    "NIST AI RMF 1.0": r"MEASURE [1-4]\.\d+",
    "EU AI Act, Annex IV": r"[1-9](\([a-h]\))?",
    "EU AI Act, Annex XI": r"Section (1, [12]\([a-f]\)|2, [123])",
}
ENERGY = next(item for item in ITEMS if item.framework == ANNEX_XI and item.number.endswith("2(e)"))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item.framework} {item.number}")
def test_every_item_names_what_exists(item: Item) -> None:
    assert re.fullmatch(NUMBERING[item.framework], item.number)
    assert item.metrics or item.rules or item.facts
    for name in item.metrics:
        assert name in (registry.LOGGED_PREFIX, registry.IMPORTED_PREFIX) or registry.metric(name)
    assert set(item.rules) <= {rule.code for rule in RULES}
    assert set(item.facts) <= FACTS.keys()


def test_every_fact_has_words_and_a_place() -> None:
    assert FACTS.keys() == {fact for item in ITEMS for fact in item.facts}
    assert PLACES.keys() == {fact.partition(".")[0] for fact in FACTS}
    assert len({(item.framework, item.number) for item in ITEMS}) == len(ITEMS)


def test_a_number_stands_with_its_interval_and_quality() -> None:
    audit = material.audit()
    found = evidence(audit, ENERGY)
    assert [(proof.name, proof.value, proof.section) for proof in found.proofs] == [
        ("carbon.energy_kwh", "0.421 kWh, modelled", "carbon")
    ]
    valid = next(item for item in ITEMS if item.number == "MEASURE 2.5")
    told = {proof.name: proof.value for proof in evidence(audit, valid).proofs}
    assert told["overfitting.gap"] == "0.313 loss [0.271, 0.354] at 95 %, measured"


@pytest.mark.parametrize(
    "change", [{"value": None, "reason": "lost"}, {"quality": Quality.UNKNOWN}, {"labels": {"a": "b"}}]
)
def test_what_is_not_known_is_no_evidence(change: dict[str, object]) -> None:
    metric = material.audit().metrics[0].model_copy(update=change)
    assert evidence(material.audit().model_copy(update={"metrics": [metric]}), ENERGY).proofs == ()


@pytest.mark.parametrize(
    ("outcome", "told"), [("fired", "fired"), ("clear", "saw no fault"), ("unknown", ""), ("error", "")]
)
def test_a_rule_that_could_not_judge_is_no_evidence(outcome: str, told: str) -> None:
    rule = RuleOutcome(rule="MEM001", name="verbatim-memorisation", outcome=Outcome(outcome))
    item = Item(framework=NIST, number="MEASURE 2.10", asks="", rules=("MEM001",))
    found = evidence(material.audit().model_copy(update={"rules": [rule]}), item).proofs
    assert [proof.value for proof in found] == [told] * bool(told)


def test_an_empty_run_has_next_to_nothing() -> None:
    found = {framework.name: framework.answered for framework in frameworks(material.empty())}
    assert found.keys() == ABOUT.keys()
    assert all(
        {proof.name for proof in row.proofs} <= {"class of the model"}
        for framework in frameworks(material.empty()) for row in framework.rows
    )  # fmt: skip


def test_most_pieces_of_evidence() -> None:
    metric = material.audit().metrics[-1]
    many = [metric.model_copy(update={"name": f"logged.{place}"}) for place in range(20)]
    quality = next(item for item in ITEMS if item.number == "MEASURE 2.3")
    found = evidence(material.audit().model_copy(update={"metrics": many}), quality)
    assert (len(found.proofs), found.more) == (MOST, 20 - MOST)


def rendered(name: str, macro: str, audit: object) -> str:
    environment = _markdown() if name.endswith(".md.j2") else html_environment()
    call = f'{{% from "{name}" import {macro} %}}{{{{ {macro}(frameworks) }}}}'
    return environment.from_string(call).render(frameworks=frameworks(audit))  # type: ignore[arg-type]


def test_both_forms_say_the_same_and_promise_nothing() -> None:
    page = rendered("frameworks.html.j2", "frameworks_part", material.audit())
    text = rendered("frameworks.md.j2", "frameworks_text", material.audit())
    for said in ("MEASURE 2.12", "no evidence in this run", "0.421 kWh, modelled", "Regulation"):
        assert said in page
        assert said.replace("_", "\\_") in text
    for word in ("compliant", "compliance", "complies", "conform", "safe ", "unbiased"):
        assert word not in (page + text).lower()
    tables = MarkdownIt("commonmark").enable("table").render(text)
    assert tables.count("<tr>") == len(ITEMS) + len(ABOUT)


def test_hostile_text_stays_text() -> None:
    hostile = "<script>alert(1)</script> | ` ![x](http://e) @all\n# x"
    metric = material.audit().metrics[-1].model_copy(update={"name": f"logged.{hostile}"})
    audit = material.audit().model_copy(update={"metrics": [metric], "run": material.run(model=hostile)})
    page = rendered("frameworks.html.j2", "frameworks_part", audit)
    assert "<script" not in page
    text = rendered("frameworks.md.j2", "frameworks_text", audit)
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {each.type for token in parsed for each in (token, *(token.children or ()))}
    assert not {"link_open", "image", "html_inline", "html_block", "heading_open"} & kinds
    assert "@" not in text
