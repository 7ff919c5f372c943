"""Texts that want to do something in a page, in Markdown, on a terminal or in a spreadsheet, and harmless twins."""

from __future__ import annotations

import re

from groundwire.audit.escape import visible

OWNED = "document.title='owned';window.owned=1;alert(1)"
AWAY = "http://127.0.0.1:9/x"  # nobody listens there; a request to it is seen

PAYLOADS: dict[str, str] = {
    # HTML: elements and handlers
    "script": f"<script>{OWNED}</script>",
    "script from away": f"<script src={AWAY}.js></script>",
    "img onerror": f"<img src={AWAY}.png onerror=\"{OWNED}\">",
    "svg onload": f"<svg onload=\"{OWNED}\"><animate onbegin=\"{OWNED}\"/></svg>",
    "link": f'<a href="javascript:{OWNED}">click</a>',
    "javascript": f"javascript:{OWNED}//",
    "data link": f"data:text/html,<script>{OWNED}</script>",
    "frame": f"<iframe srcdoc='<script>parent.{OWNED}</script>'></iframe>",
    "object": f"<object data={AWAY}></object><embed src={AWAY}>",
    "refresh": f'<meta http-equiv="refresh" content="0;url={AWAY}">',
    "base": f'<base href="{AWAY}/"><link rel=stylesheet href={AWAY}.css>',
    "style": f"<style>*{{display:none;background:url({AWAY})}}</style>",
    "form": f"<form action={AWAY}><input autofocus onfocus=\"{OWNED}\"><button>Send</button></form>",
    "details": f'<details open ontoggle="{OWNED}"><summary>x</summary></details>',
    "template": f"<template><p></template><math><mi//xlink:href=\"data:x,<script>{OWNED}</script>\">",
    # HTML: getting out of where one is
    "double quote": f"\" autofocus onfocus={OWNED} x=\"",
    "single quote": f"' onmouseover='{OWNED}' x='",
    "backtick": f"` onerror={OWNED} `",
    "attribute and tag": f"\"><script>{OWNED}</script><x y=\"",
    "end of title": f"</title></head><body><h1>owned</h1><script>{OWNED}</script>",
    "end of style": f"</style><script>{OWNED}</script><style>",
    "end of textarea": f"</textarea></pre></code><script>{OWNED}</script>",
    "end of svg": f"</text></svg></figure></details></td></tr></table></main></body></html><script>{OWNED}</script>",
    "comment": f"--><!-- x --!><script>{OWNED}</script><!--",
    "cdata": f"]]><![CDATA[<script>{OWNED}</script>]]><?xml version='1.0'?><!DOCTYPE x>",
    "entities": "&lt;script&gt;&#x3c;b&#x3e; &amp;lt; &copy &#0; &",
    "open tag": "<div <p <!",
    # Templates
    "expressions": "{{7*7}}${7*7}#{7*7}<%= 7*7 %>{{''.__class__.__mro__}}",
    "statements": "{% raw %}{% include '/etc/passwd' %}{# comment #}{% endraw %}",
    # Characters
    "controls": "a\x00b\x01c\x07d\x08e\x0bf\x0cg\x1fh\x7fi\x80j\x85k\x9fl",
    "escape sequences": "\x1b[2J\x1b[31mred\x1b]0;owned\x07\x1b]8;;http://127.0.0.1:9\x07link\x1b]8;;\x07\x9b31m\x90q\x9c",
    "lines": "one\ntwo\rthree\r\nfour\n\n\tfive",
    "unicode lines": "one\u2028two\u2029three\x85four\x0bfive",
    "bidi": "\u202eesrever\u202c \u2066isolated\u2069 \u200fmark\u061c",
    "invisible": "\ufeffzero\u200bwidth\u200d\u2060join\u00adsoft\ufe0f\U000e0041\U000e007f",
    "lone surrogates": "half \ud800 of a pair, and the other \udfff half",
    "combining": "Z\u0351\u036b\u0343\u036a\u0302" * 40 + "\U0001f468\u200d\U0001f469",
    "very long word": "W" * 5_000,
    "very long text": "word " * 5_000,
    # Markdown
    "markdown link": f"[click]({AWAY}) <{AWAY}> {AWAY} www.example.com [ref]: {AWAY}",
    "markdown image": f"![x]({AWAY}.png) [![x]({AWAY}.png)]({AWAY})",
    "mentions": "@somebody @org/team #1 GH-1 org/repo#2 jane@example.com",
    "backtick fence": "``` \n```sh\nrm\n```\n~~~\n`` ` ``",
    "table": "| a | b |\n|---|---|\n| c || \\| d |",
    "blocks": "# heading\n\n> quote\n\n- item\n  1. one\n\n***\n\n    code\n===",
    "emphasis": "**bold** _it_ ~~out~~ *a_b*c_ $x$ :tada: ==m== \\",
    "markdown html": f"<b>bold</b><!-- hidden --><kbd>x</kbd><img src={AWAY}>",
    "front matter": "---\nlicense: mit\nmodel-index: []\n...\n---\n- a: !!python/object/apply:os.system ['x']",
    # Spreadsheets, logs of CI, paths, formats
    "formula": '=HYPERLINK("http://127.0.0.1:9";"x")+1-2@SUM(A1)',
    "workflow command": "::error file=a,line=1::owned\n::set-output name=x::y\n##[error]owned\n::add-mask::a%0A::x",
    "path": "../../../../etc/passwd;rm -rf ~ $(id) `id` %00 C:\\x\\..",
    "json": '","owned":true,"x":"\\u0000\\',
    "xml": '"/><failure message="x">]]></failure><testcase name="owned"/>',
    "format": "%s%n%x{0}{x!r}%(name)s",
}  # fmt: skip


_ORDER = sorted(PAYLOADS.values())


def twin(text: str) -> str:
    """Return a harmless text, as long when shown, of words as long; twins are in the order of their payloads."""
    letter = chr(0x430 + _ORDER.index(text))  # of the Cyrillic alphabets, which have enough of them
    return re.sub("[^ ]", letter, visible(text, cap=10**9))


ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
