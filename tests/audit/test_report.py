"""The report as HTML and Markdown: what stands in it, what never does, and that no text changes its shape."""

from __future__ import annotations

import copy
import enum
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import report_material as material
from groundwire.audit import model
from groundwire.audit.document import Document
from groundwire.audit.model import Audit, Outcome, RunStatus
from groundwire.audit.report import render_html, render_markdown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' autofocus onfocus=alert(1) x='",
    "</title></style></pre></svg></details><!-- --><h1>",
    "{{ 7*7 }}{% raw %}{# #}",
    "\x1b[31m\x00\x9b\u202e\u200b\ud800\ufeff\n\n# x\r",
    "| a | b |\n|---|---|\n`` ` ``` ![x](http://evil.example) @somebody <b>",
    "&lt;script&gt; javascript:alert(1) data:text/html,<script>",
    "A" * 100_000,
)
VOID = {"meta", "link", "br", "img", "input", "hr"}
Path = tuple[Any, ...]


class Shape(HTMLParser):
    """The tree of a page without its text: tags, names of attributes, and those values that act."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[Any, ...]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        acting = sorted((k, v) for k, v in attrs if k in ("id", "class", "href", "src", "content", "http-equiv"))
        self.tags.append((tag, sorted(name for name, _ in attrs), acting))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.tags.append(("/", tag))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def texts(document: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the places of all free texts in a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from texts(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from texts(value, (*path, index))
    elif isinstance(document, str) and not isinstance(document, enum.Enum):
        yield path


def changed(document: dict[str, Any], places: list[Path], text: str) -> Audit:
    """Return the audit with `text` in these places."""
    document = copy.deepcopy(document)
    for place in places:
        inside: Any = document
        for step in place[:-1]:
            inside = inside[step]
        inside[place[-1]] = text
    return Audit.model_validate(document)


def filled() -> dict[str, Any]:
    """Return an audit in which no text is missing."""
    document = material.audit().model_dump()
    document["run"] |= {"parent": "run", "exception": "E", "damage": ["file"], "status": RunStatus.CRASHED}
    document["metrics"][0] |= {"checkpoint": "a.ckpt", "labels": {"group": "a"}}
    document["findings"][0]["evidence"][0] |= {"layer": "a", "sample": "b"}
    document["checkpoints"][0]["tensors_sha256"] = "c"
    return document


AUDIT = filled()
PLACES = list(texts(AUDIT))
RECORD = material.record(steps=300, layers=3)


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(material.audit(), RECORD, material.verdict())


def test_the_material_reaches_every_text_field() -> None:
    reached = {step for place in PLACES for step in place}
    documents = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, Document)]
    fields = {
        name for kind in documents for name, field in kind.model_fields.items() if "str" in str(field.annotation)
    }
    assert fields - {"settings", "false_positive_rate", "identities", "kinds"} <= reached  # texts as keys


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_no_field_changes_the_shape(place: Path) -> None:
    harmless = Shape(render_html(changed(AUDIT, [place], "harmless"), None))
    hostile = render_html(changed(AUDIT, [place], " ".join(PAYLOADS[:-1])), None)
    assert Shape(hostile).tags == harmless.tags


@pytest.mark.slow
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_payload_changes_the_shape(payload: str) -> None:
    harmless = render_html(changed(AUDIT, PLACES, "harmless"), RECORD)
    hostile = render_html(changed(AUDIT, PLACES, payload), RECORD)
    assert Shape(hostile).tags == Shape(harmless).tags
    hostile.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", hostile)
    assert len(hostile) < 2_000_000


@pytest.mark.slow
@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_changes_the_shape(text: str) -> None:
    assert Shape(render_html(changed(AUDIT, PLACES, text), None)).tags == HARMLESS.tags


HARMLESS = Shape(render_html(changed(AUDIT, PLACES, "harmless"), None))


@pytest.mark.parametrize("key", PAYLOADS[:-1], ids=range(len(PAYLOADS) - 1))
def test_no_key_changes_the_shape(key: str) -> None:
    def keyed(name: str) -> Shape:
        document = copy.deepcopy(AUDIT)
        document["environment"] = {name: {name: name}}
        document["configuration"] = {name: [name]}
        document["metrics"][0]["labels"] = {name: name}
        document["findings"][0]["mitigations"][0]["settings"] = {name: name}
        document["scorers"][0]["identities"] = {name: document["scorers"][0]["identities"]["women"]}
        return Shape(render_html(Audit.model_validate(document), None))

    assert keyed(key).tags == keyed("harmless").tags


@pytest.mark.slow
@pytest.mark.parametrize("samples", ["none", "redacted", "full"])
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_sample_layer_or_logged_name_changes_the_shape(payload: str, samples: Any) -> None:
    def recorded(name: str) -> Shape:
        record = material.FakeRecord(happened={"sample": [{"prompt": name, "continuations": [name], "step": name}]})
        for series in ("gradient.layer_norm", "gradient.update_ratio", "logged"):
            record.tables[series, name] = ([1, 2], [1.0, 2.0])
        return Shape(render_html(material.audit(), record, samples=samples))

    assert recorded(payload).tags == recorded("harmless").tags


@pytest.mark.slow
def test_hostile_verdict() -> None:
    def judged(text: str) -> tuple[Shape, list[str]]:
        limits = tuple(
            material.FakeLimit(text, text, "error", outcome, None, None, 1.0, None, text, text)
            for outcome in ("fail", "unknown", "error", "waived")
        )
        found = material.FakeVerdict(text, "fail", text, limits)
        return Shape(render_html(material.audit(), None, found)), blocks(
            render_markdown(material.audit(), None, found)
        )

    for payload in PAYLOADS:
        html, markdown = judged(payload)
        assert html.tags == judged("harmless")[0].tags
        assert markdown == judged("harmless")[1]


def blocks(markdown: str) -> list[str]:
    """Return the kinds of tokens of a Markdown text, without the joints between pieces of text."""
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = [kind.type for token in parsed for kind in (token, *(token.children or ()))]
    return [kind for kind in kinds if kind != "text"]


@pytest.mark.slow
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_payload_changes_the_markdown(payload: str) -> None:
    hostile = render_markdown(changed(AUDIT, PLACES, payload))
    assert blocks(hostile) == blocks(render_markdown(changed(AUDIT, PLACES, "harmless")))
    assert "@" not in hostile
    assert not {"link_open", "image", "html_inline", "html_block"} & set(blocks(hostile))


def test_no_script_no_handler_no_address(page: str) -> None:
    shape = Shape(page)
    for tag, names, *acting in (item for item in shape.tags if item[0] != "/"):
        assert tag not in {"script", "iframe", "object", "embed", "form", "base", "img"}
        assert not any(name.startswith("on") or name == "style" for name in names)
        for name, value in acting[0] if acting else ():
            assert name != "src"
            assert name != "href" or value in ("data:,",) or value.startswith("#")


def test_the_policy_comes_first_and_allows_the_style_by_its_hash(page: str) -> None:
    head = page.split("<head>")[1].lstrip()
    assert head.startswith('<meta http-equiv="Content-Security-Policy" content="default-src')
    assert "unsafe" not in page.split("<style>")[0]
    assert page.count("<style>") == 1


def test_every_anchor_leads_somewhere(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


@pytest.mark.parametrize("word", ["safe", "unbiased", "compliant"])
def test_no_promise(word: str) -> None:
    plain = material.audit().model_copy(update={"metrics": []})
    for text in (render_html(plain, RECORD, material.met()), render_markdown(plain, None, material.met())):
        assert not re.search(rf"\b{word}\b", text, re.IGNORECASE)


def test_order_of_the_parts(page: str) -> None:
    first = ["verdict", "waived", "warnings", "findings", "carbon", "overfitting", "optimisation"]
    last = ["generation", "logged", "samples", "met", "recommendations", "unchecked", "provenance", "cost"]
    places = [page.index(f' id="{part}"') for part in first + last]
    assert places == sorted(places)


def test_what_a_verdict_says(page: str) -> None:
    text = " ".join("".join(Shape(page).text).split())
    for said in (
        "✗ Policy not met", "1 failed · 2 unknown · 1 waived · 1 met", "0.313 [0.271, 0.354] at 95 %",
        "≤ 0.1",
        "−0.213", "trainer.max_steps = 2400", 'data.country_iso_code = "FRA"', "data.offline = true",
        "location unknown: set country_iso_code", "[40 characters hidden]", "one torn line dropped",
    ):  # fmt: skip
        assert said in text
    assert "complete and utter" not in text


def test_the_closest_limit_when_all_are_met() -> None:
    text = "".join(Shape(render_html(material.audit(), None, material.met())).text)
    assert "✓ Policy met" in text
    assert "Closest to its limit: gradient.norm_p95" in text


def test_without_a_policy_there_is_no_verdict() -> None:
    text = "".join(Shape(render_html(material.audit(), None)).text)
    assert "No policy given: 4 findings, worst HIGH" in text
    assert "Charts and samples are left out" in text


@pytest.mark.parametrize("samples", ["none", "redacted", "full"])
def test_how_much_of_a_sample_is_shown(samples: Any) -> None:
    page = render_html(material.audit(), RECORD, samples=samples)
    assert ("a complete and utter example" in page) is (samples == "full")
    assert ('id="samples"' in page) is (samples != "none")
    assert "complete and utter" not in render_markdown(material.audit(), RECORD)


@pytest.mark.parametrize("record", [None, material.FakeRecord()], ids=["no record", "empty record"])
def test_an_empty_run(record: Any) -> None:
    text = "".join(Shape(render_html(material.empty(), record)).text)
    assert "No policy given: no findings" in text
    assert "No optimizer step was taken" in text
    assert "What this report does not show" in text
    assert "No optimizer step was taken" in render_markdown(material.empty())


@pytest.mark.parametrize("status", list(RunStatus))
def test_an_unfinished_run_says_so_first(status: RunStatus) -> None:
    run = material.run(status=status, exception="OutOfMemoryError", damage=["series/0-0.arrow"])
    audit = material.audit().model_copy(update={"run": run})
    for text in (render_html(audit, None, digest_ok=False), render_markdown(audit, digest_ok=False)):
        top = text[: text.index("No policy given", text.index("<body") if "<body" in text else 0)]
        assert "The digest does not fit" in top
        assert "series/0-0.arrow" in top
        assert ("an unfinished run" in top) is (status is not RunStatus.FINISHED)


class Broken:
    """A record of which nothing can be read."""

    def series(self, name: str, column: str | None = None) -> Any:
        raise OSError("checksum of series/0-0.arrow does not fit")

    def columns(self, name: str) -> tuple[str, ...]:
        raise RuntimeError("no columns")

    def events(self, kind: str) -> list[dict[str, Any]]:
        raise ValueError("no events")


def test_a_broken_record_costs_the_charts_alone() -> None:
    page = render_html(material.audit(), Broken(), material.verdict())
    assert "could not be read" in page
    assert "checksum of series/0-0.arrow does not fit" in page
    assert "✗</span> Policy not met" in page


ODD_SAMPLES: list[dict[str, Any]] = [
    {},
    {"prompt": None, "continuations": "text", "toxicity": 3},
    {"continuations": [None, 1], "toxicity": [float("nan"), "high"]},
]


@pytest.mark.parametrize("event", ODD_SAMPLES, ids=range(3))
def test_odd_samples(event: dict[str, Any]) -> None:
    Shape(render_html(material.audit(), material.FakeRecord(happened={"sample": [event]})))


@pytest.mark.parametrize("value", [[], [1.0], [np.nan], [np.nan, np.inf, -np.inf], [0.0, 0.0, 0.0], [-1e30, 1e30]])
def test_odd_series(value: list[float]) -> None:
    record = material.record(steps=30, layers=2)
    tables = {key: (list(range(len(value))), value) for key in record.tables}
    Shape(render_html(material.audit(), material.FakeRecord(tables=tables)))


def test_a_restarted_meter_adds_up() -> None:
    record = material.FakeRecord(tables={("carbon.energy_kwh", None): ([1, 2, 3, 4], [0.1, 0.2, 0.05, 0.1])})
    assert "from 0 (step 0) to 0.3 (step 4)" in render_html(material.audit(), record)


def test_what_was_not_checked_names_rules_monitors_and_metrics() -> None:
    audit = material.audit()
    text = render_markdown(audit).split("## Not checked")[1]
    silent = [rule.name for rule in audit.rules if rule.outcome is Outcome.UNKNOWN]
    for name in ("group disparity", *silent, "EfficiencyMonitor", "emissions\\_kg"):
        assert name in text


def test_a_large_run_is_rendered_soon_and_small() -> None:
    record = material.record(steps=100_000, layers=500)
    render_html(material.audit(), None)
    started = time.perf_counter()
    page = render_html(material.audit(), record, material.verdict(), samples="full")
    assert time.perf_counter() - started < 2.0
    assert len(page.encode()) < 600_000
    assert "100,000 points drawn as 150 min/max buckets" in page
    assert "Of 500 layers 24 are shown" in page


def test_thousands_of_rows_are_cut_and_counted() -> None:
    audit = material.audit()
    many = audit.model_copy(
        update={
            "metrics": audit.metrics * 500,
            "findings": audit.findings * 100,
            "not_checked": audit.not_checked * 9,
        }
    )
    page = render_html(many, RECORD)
    assert len(page.encode()) < 2_000_000
    assert "340 more findings in audit.json" in page


@pytest.mark.slow
def test_rendering_imports_neither_torch_nor_lightning() -> None:
    code = "import sys, groundwire.audit.report; print({'torch', 'lightning', 'scipy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
