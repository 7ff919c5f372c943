"""Names and codes of all rules, read from their sources: importing the rules takes longer than a whole gate."""

from __future__ import annotations

import functools
import re
from importlib import resources

_DECLARED = re.compile(r'^@rule\(\s*code="(?P<code>\w+)".*?^def (?P<name>\w+)\(', re.MULTILINE | re.DOTALL)


@functools.cache
def rule_names() -> dict[str, str]:
    """Return the name of each rule by its name and by its code, both in small letters."""
    files = resources.files("groundwire.audit").joinpath("rules").iterdir()
    texts = [file.read_text(encoding="utf-8") for file in files if file.name.endswith(".py")]
    found = {
        match["code"].lower(): match["name"].replace("_", "-") for text in texts for match in _DECLARED.finditer(text)
    }
    return found | {name: name for name in found.values()}
