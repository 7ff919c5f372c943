"""No text anywhere in an audit changes the tree of the page, the blocks of its Markdown, or what a terminal does.

Every place where a text stands is found by walking an audit in which each field of the model is filled, so that new
fields join by themselves. In page j, place i holds payload i + j: with as many pages as payloads, each place has held
each payload. A page is compared with its twin, which holds harmless texts of the same length in the same places.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import report_material as material
from groundwire.audit.gate import Verdict
from groundwire.audit.report import render_html, render_markdown
from injection_pages import HALVES, PLACES, TEXTS, judged, markdown, page, square
from injection_payloads import ACTING, PAYLOADS, twin
from injection_places import Place
from injection_trees import blocks, tree


def test_there_are_enough_payloads() -> None:
    assert len(set(TEXTS)) >= 40
    assert len({twin(text) for text in TEXTS}) == len(TEXTS)
    assert not [text for text in TEXTS if ACTING.search(twin(text))]


def test_every_field_and_free_key_is_reached() -> None:
    patterns = {place.pattern for place in PLACES}
    for expected in (
        "run.model", "run.exception", "metrics.*.labels.filled in", "metrics.*.labels.label (key)",
        "findings.*.evidence.*.sample", "findings.*.mitigations.*.settings.trainer.max_steps (key)",
        "scorers.*.masked.reasons.*", "scorers.*.identities.women (key)", "disparities.*.groups.*.group",
        "environment.git.commit (key)", "configuration.trainer.precision", "checkpoints.*.tensors_sha256",
    ):  # fmt: skip
        assert expected in patterns


@pytest.mark.slow
@pytest.mark.parametrize("shift", range(len(TEXTS)), ids=PAYLOADS)
def test_the_pages_tree_is_its_twins(shift: int) -> None:
    for chosen, record in HALVES:
        hostile, harmless = square(shift, chosen)
        found = page(hostile, record)
        assert tree(found) == tree(page(harmless, record))
        assert not ACTING.search(found)


@pytest.mark.slow
@pytest.mark.parametrize("shift", range(len(TEXTS)), ids=PAYLOADS)
def test_the_markdowns_blocks_are_its_twins(shift: int) -> None:
    for chosen, record in HALVES:
        hostile, harmless = square(shift, chosen)
        found = markdown(hostile, record)
        assert blocks(found) == blocks(markdown(harmless, record))
        assert "@" not in found
        assert not ACTING.search(found)
        assert not [line for line in found.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.slow
@pytest.mark.parametrize("place", {place.pattern: place for place in PLACES}.values(), ids=lambda each: each.pattern)
def test_each_place_alone(place: Place) -> None:
    """In company a place may be hidden by what stands beside it."""
    text = " ".join(text for text in TEXTS if len(text) < 400)
    assert tree(page({place: text})) == tree(page({place: "q" * len(text)}))


def spoken(verdict: Verdict, text: str) -> Verdict:
    """Return a verdict in which every text of its own and of its limits is another."""

    def texts(told: Any) -> dict[str, str]:
        fixed = ("outcome", "level", "crossed")
        found = [field.name for field in dataclasses.fields(told) if field.name not in fixed]
        return {name: text for name in found if isinstance(getattr(told, name), str)}

    limits = tuple(dataclasses.replace(limit, **texts(limit)) for limit in verdict.limits)
    return dataclasses.replace(verdict, limits=limits, notes=(text,), **texts(verdict))


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=PAYLOADS)
def test_what_a_verdict_says(text: str) -> None:
    found = material.audit()
    verdict, _ = judged(found)
    hostile, harmless = (spoken(verdict, each) for each in (text, twin(text)))
    assert tree(render_html(found, None, hostile)) == tree(render_html(found, None, harmless))
    assert blocks(render_markdown(found, None, hostile)) == blocks(render_markdown(found, None, harmless))
