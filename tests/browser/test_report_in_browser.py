"""The report as readers see it: narrow, wide, dark, on paper, without scripts and without style."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "audit")]
import devtools  # noqa: E402
import report_material as material  # noqa: E402
from groundwire.audit.report import render_html  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(devtools.browser() is None, reason="no Chromium on this machine"),
]

REPORTS = {
    "verdict": lambda: render_html(material.audit(), material.record(), material.verdict(), samples="full"),
    "findings": lambda: render_html(material.audit(), material.record(layers=500)),
    "met": lambda: render_html(material.audit(), material.record(), material.met()),
    "empty": lambda: render_html(material.empty(), None, digest_ok=False),
}
HOSTILE = "\"></title></style><script>document.title='owned'</script><img src='http://127.0.0.1:9/x' onerror='a()'>"

# The contrast of each piece of text with what lies behind it, where it is below 4.5.
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
    const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.push(`${e.tagName} ${e.className} ${ink} ${behind(e)} ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
})()
"""
# Elements that reach beyond the window and do not lie in a container that scrolls.
BEYOND = """
[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .skip, thead') &&
  e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))
"""
TINY = """
[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)
  .filter(h => h > 0).reduce((a, b) => Math.min(a, b), 99)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devtools.Page]:
    with devtools.opened(devtools.browser() or "", tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for name, render in REPORTS.items():
        (folder / f"{name}.html").write_text(render(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in REPORTS}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_overflows(page: devtools.Page, reports: dict[str, Path], name: str, width: int) -> None:
    page.view(width, 1024)
    page.open(reports[name])
    page.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.ask(BEYOND) == []


@pytest.mark.parametrize("name", REPORTS)
def test_the_verdict_is_above_the_fold(page: devtools.Page, reports: dict[str, Path], name: str) -> None:
    page.view(768, 1024)
    page.open(reports[name])
    for part in ("h1", ".detail", ".identity", ".facts"):
        assert page.ask(f"document.querySelector('{part}').getBoundingClientRect().bottom") <= 1024
    assert page.ask(
        "[...document.querySelectorAll('header table')].every(t => t.getBoundingClientRect().bottom <= 1024)"
    )


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: devtools.Page, reports: dict[str, Path], name: str, scheme: str) -> None:
    page.view(1024, 1024, scheme=scheme)
    page.open(reports[name])
    assert page.ask("getComputedStyle(document.body).backgroundColor") == (
        "rgb(19, 20, 22)" if scheme == "dark" else "rgb(253, 253, 251)"
    )
    assert page.ask(FAINT) == []


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_text_in_charts_can_be_read(page: devtools.Page, reports: dict[str, Path], width: int) -> None:
    page.view(width, 1024)
    page.open(reports["verdict"])
    assert page.ask(TINY) >= 8.5


@pytest.mark.parametrize("name", REPORTS)
def test_no_request_and_no_complaint(page: devtools.Page, reports: dict[str, Path], name: str) -> None:
    page.view(768, 1024)
    page.open(reports[name])
    assert page.requests() == []
    assert page.complaints() == []


def test_it_reads_the_same_without_scripts(page: devtools.Page, reports: dict[str, Path]) -> None:
    page.view(768, 1024)
    page.open(reports["verdict"])
    heights = [page.ask("document.documentElement.scrollHeight")]
    page.view(768, 1024, scripts=False)
    page.open(reports["verdict"])
    layout = page.call("Page.getLayoutMetrics")["cssContentSize"]
    page.view(768, 1024)
    assert layout["height"] == heights[0]


def test_hostile_text_is_only_text(page: devtools.Page, tmp_path: Path) -> None:
    run = material.run(model=HOSTILE, id=HOSTILE, started=HOSTILE)
    record = material.FakeRecord(
        tables={("logged", HOSTILE): ([1, 2], [1.0, 2.0])},
        happened={"sample": [{"prompt": HOSTILE, "continuations": [HOSTILE], "toxicity": [1.0]}]},
    )
    audit = material.audit().model_copy(update={"run": run})
    (tmp_path / "hostile.html").write_text(render_html(audit, record, samples="full"), encoding="utf-8")
    page.view(360, 800)
    page.open(tmp_path / "hostile.html")
    assert page.ask("document.title").startswith("! No policy given")
    assert "owned" in page.ask("document.title")
    assert page.ask("document.title") != "owned"
    assert page.requests() == []
    assert page.ask("document.scripts.length + document.images.length") == 0
    assert page.ask("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_where_style_is_blocked(
    page: devtools.Page, reports: dict[str, Path], tmp_path: Path, scheme: str
) -> None:
    strict = re.sub(
        r"style-src &#39;sha256-[^;]+;", "style-src &#39;self&#39;;", reports["verdict"].read_text("utf-8")
    )
    (tmp_path / "strict.html").write_text(strict, encoding="utf-8")
    page.view(768, 1024, scheme=scheme)
    page.open(tmp_path / "strict.html")
    assert any("style" in complaint for complaint in page.complaints())
    assert page.ask("document.querySelector('h1').getBoundingClientRect().bottom") <= 1024
    assert page.ask("document.querySelector('header').scrollWidth") <= 768
    assert (
        page.ask("Math.min(...[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().height))") > 80
    )
    ink, ground = page.ask("getComputedStyle(document.querySelector('svg')).fill"), "rgb(0, 0, 0)"
    assert (ink == ground) is (scheme == "light")


def test_paper_shows_what_the_screen_folds_away(
    page: devtools.Page, reports: dict[str, Path], tmp_path: Path
) -> None:
    page.view(794, 1123, media="print")
    page.open(reports["verdict"])
    folded = "[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility()).length"
    assert page.ask(folded) == 0
    assert page.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
