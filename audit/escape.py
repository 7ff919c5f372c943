"""Hostile text made harmless: what a control character would do is shown instead of done.

Text from a model, a user's module, a file name or a log goes through `visible` before anybody sees it.
HTML is escaped on top of that by Jinja; Markdown by `markdown_text` and `markdown_code`.
"""

from __future__ import annotations

import re

CAP = 2_000  # characters of one field that a reader is shown

# Controls (C0, DEL, C1), format characters (bidi, zero-width, soft hyphen, tags), line and paragraph
# separators, surrogates and non-characters: everything that acts on the text around it or cannot be encoded.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_MARKDOWN = re.compile(r"([\\`*_\[\]()#!|~>$])")
_LEADING = re.compile(r"^(\d{1,9})([.)])(?=\s|$)|^([-+=])")
_BACKTICKS = re.compile(r"`+")


class Escaped(str):
    """Text that needs no more escaping in the language that it was escaped for."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the text itself: Jinja's autoescape leaves it alone."""
        return str(self)


def visible(text: str, *, cap: int = CAP) -> str:
    r"""Return `text` with acting characters shown as `\xNN` or `\uNNNN`, cut after `cap` characters.

    Args:
        text: Any text, lone surrogates included.
        cap: Most characters of `text` to keep; how many were cut is said at the end.
    """
    shown = _ACTING.sub(_shown, text[:cap])
    cut = len(text) - cap
    return f"{shown}… ({cut:,} more characters)" if cut > 0 else shown


def _shown(match: re.Match[str]) -> str:
    point = ord(match[0])
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def redacted(text: str, *, keep: int) -> str:
    """Return the first `keep` characters of `text` and how many are hidden."""
    hidden = len(text) - keep
    return f"{text[:keep]}… [{hidden:,} characters hidden]" if hidden > 0 else text


def markdown_text(text: str, *, cap: int = CAP) -> Escaped:
    """Return `text` as one line of Markdown prose: no markup, no link, no mention, no HTML.

    A mention cannot be escaped with a backslash (it is looked for after rendering), so `@` becomes
    its full-width twin.
    """
    line = visible(text, cap=cap).replace("@", "＠")
    line = _MARKDOWN.sub(r"\\\1", line.replace("&", "&amp;")).replace("<", "&lt;")
    line = line.replace("://", ":\\//")
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line)
    return Escaped(_LEADING.sub(_leading, line))


def _leading(match: re.Match[str]) -> str:
    return f"{match[1]}\\{match[2]}" if match[1] else f"\\{match[3]}"


def markdown_code(text: str, *, cap: int = CAP) -> Escaped:
    """Return `text` as a Markdown code span, with a fence longer than any run of backticks in it.

    Pipes are escaped because a table splits its cells before it looks at code spans.
    """
    line = visible(text, cap=cap).replace("|", "\\|").replace("@", "＠")
    longest = max((len(run) for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not line.strip() or line[0] in "` " or line[-1] in "` " else ""
    return Escaped(f"{fence}{pad}{line}{pad}{fence}")
