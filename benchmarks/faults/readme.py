"""Puts the tables into the README beside this file, between the comments that name the step they come from."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).with_name("README.md")


def put(step: str, tables: str, page: Path = PAGE) -> None:
    """Replace what stands between the comments of a step; headings move one level down.

    Raises:
        ValueError: The page has no place for this step.
    """
    begin, end = f"<!-- {step} -->\n", f"<!-- end of {step} -->\n"
    text = page.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{page} needs the lines {begin.strip()} and {end.strip()}, once each")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    lowered = re.sub(r"^#", "##", tables.strip(), flags=re.MULTILINE)
    page.write_text(f"{before}{begin}\n{lowered}\n\n{end}{after}", encoding="utf-8")
