"""The report as readers see it: narrow and wide, light and dark, on paper, with and without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pages
import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
import devtools

pytestmark = pytest.mark.slow

MOST_PAGES = {"trained": 60, "many layers": 30, "short": 15, "nothing": 8, "compared": 30}  # of A4
# Elements that reach beyond the window and do not lie in a container that scrolls or cuts.
BEYOND = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  if (box.right <= innerWidth + 1 || !box.width || !box.height) return false;
  for (let up = e.parentElement; up; up = up.parentElement)
    if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return false;
  return getComputedStyle(e).position !== 'absolute';
}).map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))
"""
# The contrast of each piece of text with what lies behind it, where it is below 4.5; axe-core skips text in charts.
FAINT = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (parse(c)[3] !== 0) return c; } return getComputedStyle(document.body).backgroundColor; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), ink = e.closest('svg') ? style.fill : style.color;
    if (ink === 'none') continue;
    const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.push(`${e.tagName} ${e.className} ${ink} ${behind(e)} ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
})()
"""
TINY = """
[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)
  .filter(h => h > 0).reduce((a, b) => Math.min(a, b), 99)
"""
FOLDED = "[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility()).length"


@pytest.mark.parametrize("name", pages.NAMES)
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_overflows(page: devtools.Page, reports: dict[str, Path], name: str, width: int) -> None:
    page.view(width, 1024)
    page.open(reports[name])
    page.unfold()
    assert page.ask(BEYOND) == []
    assert page.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("name", (*pages.REPORTS, "compared"))
def test_the_verdict_is_above_the_fold(page: devtools.Page, reports: dict[str, Path], name: str) -> None:
    page.view(768, 1024)
    page.open(reports[name])
    assert page.ask("document.querySelector('h1').getBoundingClientRect().bottom") < 400
    if name in ("trained", "changed"):  # with limits that are not met: the first of them, too
        row = "document.querySelector('table tbody tr, table tr:nth-child(2)').getBoundingClientRect().bottom"
        assert page.ask(row) < 1024


@pytest.mark.parametrize("name", ["trained", "many layers", "nothing", "compared", "summary"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: devtools.Page, reports: dict[str, Path], name: str, scheme: str) -> None:
    page.view(1024, 1024, scheme=scheme)
    page.open(reports[name])
    page.unfold()
    page.ground()
    ground = page.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 384) is (scheme == "light")
    assert page.ask(FAINT) == []


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_text_in_charts_can_be_read(page: devtools.Page, reports: dict[str, Path], width: int) -> None:
    page.view(width, 1024)
    page.open(reports["trained"])
    page.unfold()
    assert page.ask(TINY) >= 8.5


@pytest.mark.parametrize("name", pages.NAMES)
def test_no_request_and_no_complaint(page: devtools.Page, reports: dict[str, Path], name: str) -> None:
    page.view(768, 1024)
    page.open(reports[name])
    assert page.requests() == []
    assert page.complaints() == []


def test_it_reads_the_same_without_scripts(page: devtools.Page, reports: dict[str, Path]) -> None:
    heights = []
    for scripts in (True, False):
        page.view(768, 1024, scripts=scripts)
        page.open(reports["trained"])
        heights.append(page.call("Page.getLayoutMetrics")["cssContentSize"]["height"])
    page.view(768, 1024)
    assert heights[0] == heights[1]


def test_every_part_can_be_reached_from_the_contents(page: devtools.Page, reports: dict[str, Path]) -> None:
    page.view(1024, 1024)
    page.open(reports["trained"])
    missing = """[...document.querySelectorAll('main section[id]')].map(each => each.id)
        .filter(id => !document.querySelector(`nav a[href="#${id}"]`))"""
    assert page.ask(missing) == []


@pytest.mark.parametrize("name", MOST_PAGES)
def test_paper_shows_what_the_screen_folds_away(page: devtools.Page, reports: dict[str, Path], name: str) -> None:
    page.view(794, 1123, media="print")
    page.open(reports[name])
    assert page.ask(FOLDED) == 0
    assert page.ask("[...document.querySelectorAll('nav')].every(each => !each.checkVisibility())")
    assert page.ask("document.documentElement.scrollWidth") <= 794
    printed = page.pdf()
    page.view(794, 1123)
    assert printed.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= MOST_PAGES[name]


def test_paper_is_white_also_in_the_dark(page: devtools.Page, reports: dict[str, Path]) -> None:
    page.view(794, 1123, media="print", scheme="dark")
    page.open(reports["trained"])
    ground, ink = (page.ask(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    page.view(794, 1123)
    assert ground in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert sum(map(int, re.findall(r"\d+", ink)[:3])) < 200
