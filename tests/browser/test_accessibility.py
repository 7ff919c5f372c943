"""axe-core, the checker that Lighthouse uses, finds nothing wrong: light and dark, wide and narrow, all unfolded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pages
import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python, which ships axe-core, is not installed")
import devtools

pytestmark = pytest.mark.slow

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
# What a notebook shows is a frame and no page: landmarks are the notebook's.
RUN = """
axe.run(document, {resultTypes: ['violations'], rules: document.querySelector('main, nav') ? {} :
  {'landmark-one-main': {enabled: false}, region: {enabled: false}}}).then(found => found.violations.map(each => `
  ${each.id}: ${each.help} (${each.nodes.length}): ${each.nodes[0].html.slice(0, 200)}
  ${each.nodes[0].failureSummary}`))
"""


def violations(page: devtools.Page, file: Path, *, width: int, scheme: str) -> Any:
    page.view(width, 900, scheme=scheme)
    page.open(file)
    page.unfold()
    page.ground()
    page.ask(f"{AXE}; null")
    return page.ask(RUN)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        *((name, "light") for name in pages.NAMES),
        *((name, "dark") for name in ("trained", "nothing", "compared", "summary")),
    ],
)
def test_no_violation(page: devtools.Page, reports: dict[str, Path], name: str, scheme: str) -> None:
    assert violations(page, reports[name], width=1024, scheme=scheme) == []


def test_no_violation_on_a_telephone(page: devtools.Page, reports: dict[str, Path]) -> None:
    assert violations(page, reports["trained"], width=360, scheme="light") == []


def test_it_would_find_one(page: devtools.Page, reports: dict[str, Path], tmp_path: Path) -> None:
    text = reports["short"].read_text("utf-8").replace("<main", '<img src="data:,"><main')
    (tmp_path / "bad.html").write_text(text, encoding="utf-8")
    assert any("image-alt" in each for each in violations(page, tmp_path / "bad.html", width=1024, scheme="light"))
