"""A summary in a notebook: one frame that nothing gets out of, whatever texts stand in it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_material as material
from groundwire.audit.errors import RecordError
from groundwire.audit.summary_html import Line, Summary, open_summary, summary_of
from hypothesis import given, settings
from hypothesis import strategies as st
from run_material import judged_run

HOSTILE = '"></iframe><script>alert(1)</script><img src=x onerror=alert(1)>&quot; \x1b[31m\u202e {{ 7*7 }} <!-- '


class Tree(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def frame(summary: Summary) -> tuple[dict[str, str | None], Tree]:
    """Return the attributes of the frame, which has to be all there is, and the page in it."""
    outer = Tree(summary._repr_html_())
    assert [tag for tag, _ in outer.tags] == ["iframe"]
    assert not outer.text.strip()
    return outer.tags[0][1], Tree(outer.tags[0][1]["srcdoc"] or "")


def made_of(text: str) -> Summary:
    return Summary(
        symbol="!", tone="fail", title=text, detail=text, facts=[text], notices=[text], unchecked=[text], where=text,
        findings=[Line(severity=text, summary=text, remedy=text)],
    )  # fmt: skip


def shape(tree: Tree) -> list[Any]:
    return [(tag, sorted(attributes)) for tag, attributes in tree.tags]


def test_the_frame_is_closed() -> None:
    attributes, page = frame(summary_of(material.audit(), material.verdict()))
    assert attributes["sandbox"] == ""
    assert attributes.keys() == {"title", "sandbox", "referrerpolicy", "width", "height", "frameborder", "srcdoc"}
    first = next(attributes for tag, attributes in page.tags if tag == "meta")
    assert first["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in str(first["content"])
    assert not {"script", "a", "img", "link", "form"} & {tag for tag, _ in page.tags}


def test_the_verdict_the_worst_findings_and_what_was_not_checked_stand_in_it() -> None:
    _, page = frame(summary_of(material.audit(), material.verdict(), where="runs/1/report.html"))
    for said in ("✗ Policy not met", "TinyGPT · run 20261121T0059-7f3a · finished", "trainer.max_steps = 2400",
                 "1 more finding in the report", "Not checked: group disparity", "runs/1/report.html"):  # fmt: skip
        assert said in page.text


def test_a_changed_audit_says_so() -> None:
    _, page = frame(summary_of(material.audit(), digest_ok=False))
    assert "The digest does not fit" in page.text


@pytest.mark.parametrize("text", [HOSTILE, "A" * 100_000])
def test_no_payload_changes_the_shape(text: str) -> None:
    _, page = frame(made_of(text))
    assert shape(page) == shape(frame(made_of("harmless"))[1])
    assert len(page.text) < 30_000


@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_no_text_changes_the_shape(text: str) -> None:
    assert shape(frame(made_of(text))[1]) == shape(frame(made_of("harmless"))[1])


def test_a_run_folder_can_be_shown(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    _, page = frame(open_summary(run))
    assert "50 steps" in page.text
    assert "audit.json" in page.text
    with pytest.raises(RecordError):
        open_summary(tmp_path)
