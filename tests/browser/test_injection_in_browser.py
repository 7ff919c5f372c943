"""Hostile texts in a real browser, with the report's policy taken out: the escaping alone has to hold."""

from __future__ import annotations

import re
from pathlib import Path

import html5lib
import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
import devtools
from injection_pages import HALVES, TEXTS, square
from injection_pages import page as rendered

pytestmark = pytest.mark.slow

EVERY = 6  # of the pages; in each, every place holds another payload
ELEMENTS = "[...document.querySelectorAll('*')].map(each => each.tagName).join(' ')"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def open_unguarded(page: devtools.Page, file: Path, text: str) -> None:
    text, cut = POLICY.subn("", text)
    assert cut == 1
    file.write_text(text, encoding="utf-8")
    page.view(360, 800)
    page.open(file)
    page.unfold()
    page.ask("new Promise(done => setTimeout(done, 50))")  # for what acts a little later


@pytest.mark.parametrize("shift", range(0, len(TEXTS), EVERY))
def test_hostile_texts_do_nothing(page: devtools.Page, tmp_path: Path, shift: int) -> None:
    for chosen, record in HALVES:
        hostile, harmless = square(shift, chosen)
        text = rendered(hostile, record)
        open_unguarded(page, tmp_path / "hostile.html", text)
        title = html5lib.parse(text, namespaceHTMLElements=False).find("head/title").text
        assert page.ask("document.title") == " ".join(title.split())
        assert page.ask("typeof window.owned") == "undefined"
        assert page.requests() == []
        assert page.dialogs() == []
        assert page.ask("document.scripts.length + document.images.length + document.forms.length") == 0
        assert page.ask("document.documentElement.scrollWidth") <= 360
        seen = page.ask(ELEMENTS)
        open_unguarded(page, tmp_path / "harmless.html", rendered(harmless, record))
        assert seen == page.ask(ELEMENTS)


def test_it_would_be_noticed(page: devtools.Page, tmp_path: Path) -> None:
    text = rendered({}).replace("<main", "<script>window.owned=1</script><img src='http://127.0.0.1:9/x.png'><main")
    open_unguarded(page, tmp_path / "owned.html", text)
    assert page.ask("window.owned") == 1
    assert page.requests() == ["http://127.0.0.1:9/x.png"]
