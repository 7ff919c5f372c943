"""What stands in a report's file, whoever opens it: valid HTML, no script, no handler, no address that is fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import html5lib
import pages
import pytest
from injection_trees import tree

pytestmark = pytest.mark.slow

SVG_ELEMENTS = {
    "svg", "g", "path", "line", "polyline", "polygon", "rect", "circle", "ellipse", "text", "tspan", "title", "desc",
    "defs", "pattern", "clipPath",
}  # fmt: skip
FETCHING = {"src", "srcset", "poster", "background", "action", "formaction", "ping", "data", "manifest", "cite"}
OUR_SOURCES = ("https://github.com/",)
POLICY = {
    "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
}  # fmt: skip


@pytest.fixture(params=pages.NAMES)
def text(request: pytest.FixtureRequest, reports: dict[str, Path]) -> str:
    return reports[request.param].read_text(encoding="utf-8")


def parsed(text: str, *, strict: bool = True) -> Any:
    return html5lib.HTMLParser(strict=strict, namespaceHTMLElements=False).parse(text)


def test_a_parser_finds_no_error(text: str) -> None:
    parsed(text)


def test_a_parser_would_find_one(text: str) -> None:
    with pytest.raises(html5lib.html5parser.ParseError):
        parsed(text.replace("</body>", "</b></body>", 1))


def test_elements_are_closed_and_ids_are_once(text: str) -> None:
    tree(text)
    elements = [element for element in parsed(text).iter() if isinstance(element.tag, str)]
    ids = [element.get("id") for element in elements if element.get("id")]
    assert len(ids) == len(set(ids))
    told = [element.get(name, "") for element in elements for name in ("aria-labelledby", "aria-describedby", "for")]
    assert {each for names in told for each in names.split()} <= set(ids)
    targets = [element.get("href", "") for element in elements if element.tag == "a"]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    assert not [target for target in targets if not target.startswith(("#", *OUR_SOURCES))]


def test_nothing_is_run_and_nothing_is_fetched(text: str) -> None:
    assert "<script" not in text.lower()
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", text, re.IGNORECASE)
    for element in parsed(text).iter():
        for name, value in element.attrib.items() if isinstance(element.tag, str) else ():
            assert not str(name).lower().startswith("on"), (element.tag, name)
            assert name not in FETCHING, (element.tag, name)
            assert "javascript:" not in re.sub(r"\s", "", value).lower()
            assert element.tag in ("a", "link") or "href" not in str(name)
    links = re.findall(r"<link[^>]*>", text)
    assert all('href="data:,"' in link for link in links)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    assert not [style for style in styles if "url(" in style or "@import" in style]


def test_the_policy_is_strict_and_stands_first(text: str) -> None:
    head = parsed(text).find("head")
    first = next(iter(head))
    assert (first.tag, first.get("http-equiv")) == ("meta", "Content-Security-Policy")
    told = dict(part.strip().split(" ", 1) for part in first.get("content").split(";") if part.strip())
    digests = [
        "'sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() + "'"
        for style in re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    ]
    assert told.pop("style-src").split() == digests
    assert told == POLICY
    assert 'name="color-scheme" content="light dark"' in text


def test_charts_need_no_style(text: str) -> None:
    """A viewer that takes away all CSS still shows them, and whoever takes one out of the page has valid XML."""
    for source in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        svg = ElementTree.fromstring(source)
        for element in svg.iter():
            assert element.tag.rpartition("}")[2] in SVG_ELEMENTS, element.tag
            assert "style" not in element.attrib
            for name in ("fill", "stroke", "clip-path", "mask", "filter"):
                assert not re.search(r"url\((?!#)", element.get(name, ""))


def test_every_chart_has_a_text_a_caption_and_its_numbers(text: str) -> None:
    document = parsed(text)
    figures = list(document.iter("figure"))
    for figure in figures:
        caption = figure.find("figcaption")
        assert caption is not None
        assert "".join(caption.itertext()).strip()
        svg = next((each for each in figure.iter() if str(each.tag).endswith("svg")), None)
        if svg is not None:
            label = svg.get("aria-label") or svg.get("aria-labelledby")
            title = next((each for each in svg.iter() if str(each.tag).endswith("title")), None)
            assert svg.get("role") == "img"
            assert label or (title is not None and (title.text or "").strip())
            assert figure.find(".//table") is not None
            assert any(each.tag == "table" for details in figure.iter("details") for each in details.iter())
