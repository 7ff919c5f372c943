"""What a reader's program makes of a page or of Markdown, without the texts in it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr", "col", "source", "area", "base", "embed"}
TELLING = {"title", "aria-label", "alt", "content", "datetime"}  # attributes that may hold a text of the record
NEVER = {
    "script", "iframe", "frame", "object", "embed", "form", "input", "textarea", "button", "select", "base", "img",
    "image", "audio", "video", "template", "math", "foreignobject", "use", "animate", "set", "applet",
}  # fmt: skip


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[Any, ...]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.element(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.element(tag, attrs)

    def element(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in NEVER, tag
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name != "style", (tag, value)
            assert name not in ("src", "srcset", "action", "formaction", "background", "ping"), (tag, name)
            if name in ("href", "xlink:href"):
                assert not (value or "").lower().lstrip().startswith(("javascript:", "//", "data:text")), value
        shown = [(name, None if (name in TELLING and tag != "meta") or _told(tag, name, attrs) else value)
                 for name, value in attrs]  # fmt: skip
        self.found.append((tag, *shown))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag
        self.found.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.found.append(("instruction", data))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("unknown", data))


def _told(tag: str, name: str, attrs: list[tuple[str, str | None]]) -> bool:
    """Return whether this is the content of a `meta` that describes the page, and does nothing."""
    return tag == "meta" and name == "content" and dict(attrs).get("name") == "description"


def tree(page: str) -> list[tuple[Any, ...]]:
    """Return the elements of a page with their attributes, ends included; of attributes that tell, the name alone.

    Raises:
        AssertionError: It holds what acts: a script, a handler, a form, an address that is fetched.
    """
    found = _Tree()
    found.feed(page)
    found.close()
    assert not found.open, found.open
    return found.found


def blocks(markdown: str) -> list[tuple[str, str]]:
    """Return the blocks and spans of a Markdown text; pieces of text and what a span of code says are left out.

    Raises:
        AssertionError: There is a link to somewhere, a picture or HTML.
    """
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    tokens = [kind for token in parsed for kind in (token, *(token.children or ()))]
    kinds = [(token.type, token.tag) for token in tokens if token.type != "text"]
    assert not {"link_open", "image", "html_inline", "html_block"} & {kind for kind, _ in kinds}
    return kinds
