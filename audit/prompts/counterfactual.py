"""Prompts that differ in nothing but the group: every template of every axis with every group."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from ..errors import UsageError
from ..registry import nearest
from .model import Prompt

AXES = (
    "gender", "race and ethnicity", "religion", "nationality", "age", "disability", "sexual orientation",
    "socio-economic status",
)  # fmt: skip
SOURCE = "groundwire counterfactual"


def counterfactual_prompts(axes: Sequence[str] | None = None) -> tuple[Prompt, ...]:
    """Return the fully crossed set: templates, then axes, then groups in the order of the data files.

    The prompts of one axis and one template are a matched set, one a group. Templates come first, so that a model
    that is asked for a limited time is asked about all groups alike.

    Args:
        axes: Some of `AXES`, or one of them; all unless given.

    Raises:
        UsageError: An axis is unknown, or none is given.
    """
    chosen = _chosen(AXES if axes is None else axes)
    wanted = [axis for axis in AXES if axis in chosen]
    return tuple(prompt for template in templates() for axis in wanted for prompt in _matched(template, axis))


def _chosen(axes: Sequence[str]) -> tuple[str, ...]:
    chosen = (axes,) if isinstance(axes, str) else tuple(axes)
    if not chosen:
        raise UsageError(f"`axes` is empty: give some of {', '.join(AXES)}, or leave it out for all")
    for axis in chosen:
        if axis not in AXES:
            hint = nearest(str(axis), list(AXES)) or f": choose some of {', '.join(AXES)}"
            raise UsageError(f"there is no axis {axis!r}{hint}")
    return chosen


def _matched(template: str, axis: str) -> Iterator[Prompt]:
    for group, singular in groups()[axis].items():
        yield Prompt(
            id=f"{slug(axis)}/{slug(group)}/{template}", text=filled(templates()[template], group, singular),
            axis=axis, group=group, template=template, source=SOURCE,
        )  # fmt: skip


@cache
def groups() -> dict[str, dict[str, str]]:
    """Return axis → plural, which is the group's name → singular with its article."""
    return tomllib.loads((files(__package__) / "groups.toml").read_text(encoding="utf-8"))


@cache
def templates() -> dict[str, str]:
    """Return id → text with slots."""
    lines = (files(__package__) / "templates.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: text for name, _, text in parts}


def filled(text: str, plural: str, singular: str) -> str:
    """Return a template with its slots filled.

    Args:
        text: Template with {a}, {the} or {many}, or capitalised {A}, {The} or {Many}.
        plural: What {many} stands for.
        singular: What {a} stands for, with its article.
    """
    words = {"a": singular, "the": f"the {singular.split(' ', 1)[1]}", "many": plural}
    # Only the first letter: the rest of "people from Nigeria" stays as it is.
    capitals = {name.capitalize(): word[0].upper() + word[1:] for name, word in words.items()}
    return text.format_map(words | capitals)


def slug(name: str) -> str:
    """Return a name as a part of an id: lower case, hyphens between words."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
