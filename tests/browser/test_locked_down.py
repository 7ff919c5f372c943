"""A viewer of CI artefacts allows no script, no inline style and no request: the report says and shows the same."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("websocket", reason="websocket-client is not installed")
import devtools
from served import HEADERS, served

pytestmark = pytest.mark.slow

LOCKED = [kind for kind in HEADERS if kind != "open"]
SHOWN = ("trained", "many layers", "crashed", "compared")
STRIP, WIDTH = 2_000, 1024
_STRIPS: dict[float, Any] = {}
CHARTS = """
[...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height,
    colours: [...new Set([...svg.querySelectorAll('*')].flatMap(each => ['fill', 'stroke']
      .map(name => each.getAttribute(name))).filter(colour => colour && colour.startsWith('#')))]};
})
"""


@pytest.fixture(scope="module")
def site(reports: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    with served(next(iter(reports.values())).parent) as found:
        yield found


def show(page: devtools.Page, site: tuple[str, list[str]], kind: str, name: str, scheme: str = "light") -> None:
    page.view(WIDTH, 900, scheme=scheme)
    page.open(f"{site[0]}/{kind}/{quote(name)}.html")
    page.unfold()


def words(page: devtools.Page) -> Counter[str]:
    """Return the words that a reader sees, whatever CSS makes of capitals and spaces."""
    return Counter(page.ask("document.body.innerText").casefold().split())


@pytest.mark.parametrize("kind", LOCKED)
@pytest.mark.parametrize("name", SHOWN)
def test_the_same_is_said(page: devtools.Page, site: tuple[str, list[str]], kind: str, name: str) -> None:
    show(page, site, "open", name)
    expected = words(page)
    site[1].clear()
    show(page, site, kind, name)
    assert page.ask("document.styleSheets.length") == 0
    assert words(page) == expected
    assert sum(expected.values()) > 100
    assert site[1] == [f"/{kind}/{quote(name)}.html"]
    assert page.requests() == []


def pixels(page: devtools.Page, boxes: list[dict[str, Any]]) -> list[Any]:
    """Return the pixels of each box, shape [n, 3], cut out of few large pictures."""
    found = []
    for box in boxes:
        top = box["y"] // STRIP * STRIP
        picture = _strip(page, top, height=2 * STRIP)
        cut = picture[int(box["y"] - top) : int(box["y"] - top + box["height"]),
                      max(0, int(box["x"])) : int(box["x"] + box["width"])]  # fmt: skip
        found.append(cut.reshape(-1, 3).astype(int))
    _STRIPS.clear()
    return found


def _strip(page: devtools.Page, top: float, *, height: float) -> Any:
    if top not in _STRIPS:
        clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
        _STRIPS[top] = np.asarray(Image.open(io.BytesIO(page.picture(clip=clip))).convert("RGB"))
    return _STRIPS[top]


def ink(seen: Any) -> float:
    """Return the share of pixels that are not the background's."""
    codes, counts = np.unique(seen @ np.array([65536, 256, 1]), return_counts=True)
    most = int(codes[counts.argmax()])
    ground = [most >> 16, most >> 8 & 255, most & 255]
    return float((np.abs(seen - ground).max(axis=1) > 24).mean())


def holds(seen: Any, colour: str) -> bool:
    wanted = [int(part, 16) for part in re.findall("..", colour[1:7])]
    return bool((np.abs(seen - wanted).max(axis=1) <= 40).any())


@pytest.mark.parametrize(
    ("name", "kind", "scheme"),
    [
        ("trained", "locked", "light"),
        ("trained", "bare", "dark"),
        ("many layers", "bare", "light"),
        ("compared", "bare", "light"),
    ],
)
def test_the_same_is_drawn(
    page: devtools.Page, site: tuple[str, list[str]], name: str, kind: str, scheme: str
) -> None:
    found = {}
    for viewer in ("open", kind):
        show(page, site, viewer, name, scheme)
        boxes = page.ask(CHARTS)
        found[viewer] = list(zip(boxes, pixels(page, boxes), strict=True))
    assert len(found["open"]) == len(found[kind]) > 0
    for (box, styled), (_, bare) in zip(found["open"], found[kind], strict=True):
        assert 0.002 < ink(bare) < 0.6  # neither blank nor a solid box
        assert ink(bare) == pytest.approx(ink(styled), rel=0.7)
        lightness = float(np.median(bare.mean(axis=1)))
        assert (lightness > 128) is (scheme == "light")
        drawn = [colour for colour in box["colours"] if len(colour) == 7 and holds(styled, colour)]
        assert [colour for colour in drawn if not holds(bare, colour)] == []
