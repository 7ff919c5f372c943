"""The verdict as JUnit XML, held against what the schema of Jenkins' xunit plugin asks."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from gate_output_material import ANY, UNREAD, audit, broken, every_outcome, failed, met, verdict
from groundwire.audit.verdicts import FORMATS, MANY
from hypothesis import given, settings

# element: (attributes that it must have, that it may have, children)
SCHEMA = {
    "testsuites": (set(), {"name", "tests", "failures", "errors", "time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"}, {"skipped", "time", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"classname", "time"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": (set(), {"message", "type"}, set()),
    "error": (set(), {"message", "type"}, set()),
    "skipped": (set(), {"message", "type"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def valid(element: ElementTree.Element) -> None:
    must, may, children = SCHEMA[element.tag]
    assert must <= set(element.attrib) <= must | may
    assert {child.tag for child in element} <= children
    for child in element:
        valid(child)


def parsed(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    valid(root)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "0")) == len(suite.findall(f"testcase/{tag}"))
    return root


def test_each_outcome_has_its_element() -> None:
    root = parsed(FORMATS["junit"](*every_outcome()))
    tags = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert tags == {
        "overfitting": ["failure"], "toxicity": ["error"], "quality": ["skipped"], "energy": ["system-out"],
        "loss": ["system-out"], "norm": ["system-out"],
    }  # fmt: skip
    outputs = {case.get("name"): case.findtext("system-out") for case in root.iter("testcase")}
    assert [name for name, text in outputs.items() if (text or "").startswith("WARNING: ")] == ["loss", "norm"]
    assert "trainer.max_steps=2400" in (root.find(".//failure").text or "")
    assert root.findtext("testsuite/system-out") == "the waiver of energy is not used"
    properties = {found.get("name"): found.get("value") for found in root.iter("property")}
    assert properties["run"] == "20261121T0059-7f3a"
    assert properties["policy_sha256"] == "ab" * 32
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "1", "1")
    assert root[0].get("timestamp") == "2026-11-21T00:59:12"


def test_a_broken_measurement_that_decides_is_an_error() -> None:
    from dataclasses import replace

    root = parsed(FORMATS["junit"](verdict(replace(broken(), level="error"), outcome="unknown"), audit()))
    assert [child.get("type") for child in root.iter("error")] == ["error"]


def test_cases_keep_their_names_from_run_to_run_and_differ_within_a_file() -> None:
    def names(*judged: tuple) -> list[tuple[str | None, str | None]]:
        return [(c.get("classname"), c.get("name")) for c in parsed(MANY["junit"](judged)).iter("testcase")]

    before, after = (verdict(failed()), audit("a")), (verdict(failed()), audit("b"))
    assert names(before) == names(after) == [("groundwire.TinyGPT", "overfitting")]
    assert len(set(names(before, after))) == 2


def test_a_run_that_could_not_be_read_is_an_error() -> None:
    root = parsed(MANY["junit"]([met()], ["runs/b has no audit.json"]))
    assert root.get("errors") == "1"
    assert [error.text for error in root.iter("error")] == ["runs/b has no audit.json"]


def test_gitlab_attaches_no_file_for_a_name() -> None:
    text = FORMATS["junit"](verdict(failed("[[ATTACHMENT|/etc/passwd]]")), audit())
    assert "[[ATTACHMENT" not in text


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD)
def test_hostile_text_is_valid_xml_with_one_case_a_limit(judged: list, unread: list) -> None:
    root = parsed(MANY["junit"](judged, unread))
    limits = sum(len(found.limits) for found, _ in judged)
    assert len(list(root.iter("testcase"))) == limits + len(unread)
    assert len(root) == len(judged) + bool(unread)
