"""Changes one entry of a model card's metadata and one section of its text; every other byte stays.

`huggingface_hub` itself writes the whole metadata anew: comments are lost, and `language: no` (Norwegian) comes back
as `false`. Here the entry is cut out by its place in the YAML, and what was left alone is compared afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError

START, END = "<!-- groundwire -->", "<!-- /groundwire -->"
ENTRY = "co2_eq_emissions"
OURS = "Groundwire"  # begins the `source` of an entry that an earlier card wrote

_BREAK = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"[ \t]*(#[^\r\n]*)?")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed model card.

    Attributes:
        text: All of it.
        told: What its owner should know.
    """

    text: str
    told: tuple[str, ...]


def changed(text: str, entry: Entry | None, section: str, *, where: str) -> Changed:
    """Return a model card with a new entry `co2_eq_emissions` and a new section between the markers.

    Args:
        text: The card, with its own line breaks.
        entry: Content of the entry; None when nothing is known: then one of an earlier run is removed.
        section: Markdown without the markers.
        where: Name of the card in messages.

    Raises:
        UsageError: Its metadata cannot be read or changed, its markers do not pair, or huggingface_hub is missing.
    """
    found = _hub()[0].search(text)
    breaks = _BREAK.search(text)
    line_break = breaks[0] if breaks else "\n"
    block, body = (found[2], text[found.end() :]) if found else ("", text)
    old = _loaded(block, where).get(ENTRY)
    if entry is not None and isinstance(old, dict) and old.get("training_type"):
        entry = {"training_type": old["training_type"]} | entry  # what the owner declared once
    new = _with_entry(block, old, entry, line_break, where)
    if found:
        head = text[: found.start(2)] + new + text[found.end(2) : found.end()]
    else:
        head = f"---{line_break}{new}{line_break}---{line_break}" if new else ""
    whole = head + _with_section(body, section.replace("\n", line_break), line_break, where)
    _check(whole, entry, where)
    return Changed(whole, _told(old, entry, where))


def _hub() -> tuple[re.Pattern[str], Any, Any]:
    """Return the pattern of a card's metadata as the Hub reads it, ModelCard and ModelCardData."""
    try:
        from huggingface_hub import ModelCard, ModelCardData
        from huggingface_hub.repocard import REGEX_YAML_BLOCK
    except ImportError as error:
        raise UsageError('A model card needs huggingface_hub: pip install "groundwire[text]".') from error
    return REGEX_YAML_BLOCK, ModelCard, ModelCardData


def _yaml() -> Any:
    import yaml  # type: ignore[import-untyped] # comes with huggingface_hub

    return yaml


def _ours(old: object) -> bool:
    return isinstance(old, dict) and str(old.get("source", "")).startswith(OURS)


def _told(old: object, entry: Entry | None, where: str) -> tuple[str, ...]:
    """Return what the owner should know of an entry that was there; that ours is renewed goes without saying."""
    if old is None or (entry is not None and _ours(old)):
        return ()
    if entry is not None:
        return (f"the emissions that {where} stated were replaced: {old!r}",)
    if _ours(old):
        return (f"the emissions of an earlier run were removed from {where}",)
    return (f"{where} states emissions that Groundwire did not write; they stay as they are",)


def _with_entry(block: str, old: object, entry: Entry | None, line_break: str, where: str) -> str:
    """Return the metadata with the new entry in the place of the old one, else at the end."""
    if entry is None and not _ours(old):
        return block
    start, end = _place(block)
    if entry is None:
        after = _BREAK.match(block, end)
        before = block[:start] if after else block[:start].removesuffix(line_break)
        new = before + block[after.end() if after else end :]
    else:
        lines = _hub()[2](**{ENTRY: entry}).to_yaml(line_break=line_break)
        glue = line_break if block and start == len(block) else ""
        new = block[:start] + glue + lines + block[end:]
    if not _kept(block, new, entry):
        raise UsageError(f"The metadata of {where} cannot be changed without harm: remove {ENTRY} from it by hand.")
    return new


def _kept(block: str, new: str, entry: Entry | None) -> bool:
    """Return whether the new metadata hold the entry and else what they held before."""
    try:
        was, became = _loaded(block, ""), _loaded(new, "")
    except UsageError:  # an anchor in what was cut out, a mapping in one line
        return False
    return became.get(ENTRY) == entry and repr(_without(was)) == repr(_without(became))


def _without(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != ENTRY}


def _loaded(block: str, where: str) -> dict[str, Any]:
    yaml = _yaml()
    try:
        data = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())[:200]
        raise UsageError(f"The metadata of {where} is not valid YAML ({told}): correct it first.") from error
    if data is not None and not isinstance(data, dict):
        raise UsageError(f"The metadata of {where} is no mapping of names to values: correct it first.")
    return data or {}


def _place(block: str) -> tuple[int, int]:
    """Return where the entry begins and ends in the metadata, a comment behind it included; at its end if none."""
    yaml = _yaml()
    root = yaml.compose(block, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == ENTRY:
            end = len(block[: _end(value)].rstrip())  # a text in several lines ends with the break behind them
            comment = _COMMENT.match(block, end)
            return key.start_mark.index, comment.end() if comment else end
    return len(block), len(block)


def _end(node: Any) -> int:
    """Return where a node's last character is: the end mark of a block collection stands after the comments below."""
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _with_section(body: str, section: str, line_break: str, where: str) -> str:
    marked = f"{START}{line_break}{section.strip()}{line_break}{END}"
    first, last = body.find(START), body.find(END)
    if first < 0 and last < 0:
        gap = "" if not body or body.endswith(line_break * 2) else line_break
        gap += "" if not body or body.endswith(line_break) else line_break
        return f"{body}{gap}{marked}{line_break}"
    if body.count(START) != 1 or body.count(END) != 1 or last < first:
        raise UsageError(f"{where} must have {START} once and {END} once after it, or neither: correct it first.")
    return body[:first] + marked + body[last + len(END) :]


def _check(text: str, entry: Entry | None, where: str) -> None:
    """Have huggingface_hub read the card as the Hub would, and see that it finds the entry."""
    if entry is None:
        return
    card = _hub()[1](text, ignore_metadata_errors=True)
    if card.data.to_dict().get(ENTRY) != entry:
        raise UsageError(f"huggingface_hub does not read {ENTRY} back from {where}: correct its metadata first.")
