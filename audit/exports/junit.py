"""A verdict as JUnit XML: one suite a run, one case a limit, for any CI that shows test results.

A limit that fails is a failure, one of which nobody can tell an error, a waived one is skipped; one that only warns
passes and says so in its output. Valid by the schema of Jenkins' xunit plugin (junit-10.xsd).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..escape import visible
from ..gate import Verdict
from ..limits import LimitVerdict
from ..model import Audit
from .told import Judged, runs_worst_first, sentence, warns, worst_first

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TAGS = {"fail": "failure", "error": "error", "unknown": "error", "waived": "skipped"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def as_junit(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return the document; its cases keep their names from run to run, so that CI can compare branches."""
    from xml.etree import ElementTree

    root = ElementTree.Element("testsuites", name="groundwire gate")
    models = Counter(audit.run.model for _, audit in judged)
    for verdict, audit in runs_worst_first(judged):
        own = models[audit.run.model] == 1
        root.append(_suite(verdict, audit, f"groundwire.{audit.run.model}" + ("" if own else f".{audit.run.id}")))
    if unread:
        root.append(_unread(unread))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(verdict: Verdict, audit: Audit, classname: str) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    suite = Element("testsuite", name=_text(classname))
    limits = worst_first(verdict.limits)
    cases = [_case(limit, _text(classname)) for limit in limits]
    _count(suite, cases)
    time = _TIME.match(audit.run.ended or audit.run.started)
    if time:
        suite.set("timestamp", time[0])
    properties = SubElement(suite, "properties")
    facts = {
        "run": audit.run.id, "outcome": verdict.outcome, "policy": verdict.policy,
        "policy_sha256": verdict.policy_sha256, "checkpoint": verdict.checkpoint,
    }  # fmt: skip
    for key, fact in facts.items():
        SubElement(properties, "property", name=key, value=_text(fact))
    suite.extend(cases)
    if verdict.notes:
        SubElement(suite, "system-out").text = "\n".join(map(_text, verdict.notes))
    return suite


def _count(suite: Element, cases: Sequence[Element]) -> None:
    tags = Counter(child.tag for case in cases for child in case)
    counted = {"tests": len(cases), "failures": tags["failure"], "errors": tags["error"], "skipped": tags["skipped"]}
    for key, value in counted.items():
        suite.set(key, str(value))


def _unread(unread: Sequence[str]) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    suite = Element("testsuite", name="groundwire.unread")
    for place, reason in enumerate(unread, start=1):
        case = Element("testcase", name=f"run {place}", classname="groundwire.unread", time="0")
        SubElement(case, "error", message=_text(reason), type="unread").text = _text(reason)
        suite.append(case)
    _count(suite, list(suite))
    return suite


def _case(limit: LimitVerdict, classname: str) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    case = Element("testcase", name=_text(limit.id), classname=classname, time="0")
    told = _text(sentence(limit))
    tag = "" if warns(limit) else _TAGS.get(limit.outcome, "")
    if tag:
        SubElement(case, tag, message=told, type=limit.outcome).text = told
    else:
        SubElement(case, "system-out").text = f"WARNING: {told}" if warns(limit) else told
    return case


def _text(text: str) -> str:
    """Return text without what XML cannot hold, and without GitLab's mark of a file to attach."""
    return visible(text).replace("[[ATTACHMENT", "[\\x5bATTACHMENT")
