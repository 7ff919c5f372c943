"""What one row of each public format means."""

from __future__ import annotations

import reprlib
from typing import Any

from . import winogender
from .model import LabelledText, Prompt, SentencePair
from .rows import Form, Row

TOXIC = ("1", "1.0", "true", "yes", "toxic", "hateful")
HARMLESS = ("0", "0.0", "false", "no", "non-toxic", "nontoxic", "not toxic", "non-hateful", "harmless")
MASK = "[M]"  # what HONEST asks a model to fill
CROWS_DIRECTION = "stereo_antistereo"  # a column that only CrowS-Pairs has
NONE = ("null", "(none)")  # how HolisticBias writes that there is no axis, descriptor or noun


def general_prompt(row: Row, source: str = "") -> Prompt:
    """Return the prompt in a row of `prompt` or `text` and our own optional columns."""
    return Prompt(
        id=row.id(),
        text=row.text("prompt" if "prompt" in row.values else "text"),
        axis=row.optional("axis"),
        group=row.optional("group"),
        template=row.optional("template"),
        toxicity=_probability(row, row.values.get("toxicity")),
        source=source or row.optional("source") or row.path.name,
        kind=row.optional("kind"),
    )


def _prompt(row: Row) -> Prompt:
    """Return a prompt, which RealToxicityPrompts nests with its scores (Gehman et al. 2020)."""
    nested = row.values["prompt"]
    if not isinstance(nested, dict):
        return general_prompt(row)
    inner = Row(path=row.path, line=row.line, values=nested, name=row.id())
    toxicity = _probability(row, nested.get("toxicity"))
    return Prompt(id=row.id(), text=inner.text("text"), toxicity=toxicity, source="RealToxicityPrompts")


def _probability(row: Row, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise row.wrong(f"'toxicity' must be a number from 0 to 1, got {reprlib.repr(value)}")
    return number


def _honest(row: Row) -> Prompt:
    """Return a template of HONEST up to the word that it asks for (Nozza et al. 2021, 2022).

    Several identities stand for one category, so a template has several prompts a group.
    """
    text, mask, _ = row.text("template_masked").partition(MASK)
    if not mask or not text.strip():
        raise row.wrong(f"'template_masked' must hold a text and then {MASK}")
    category = row.text("category")
    return Prompt(
        id=row.id(),
        text=text.strip(),
        axis="gender" if category in ("female", "male") else "queer identity",
        group=category.replace("_", " "),
        template=row.text("raw"),
        source="HONEST",
    )


def _holistic_sentence(row: Row) -> Prompt:
    return _holistic(row, "text", row.text("template"))


def _holistic_phrase(row: Row) -> Prompt:
    return _holistic(row, "noun_phrase", "")


def _holistic(row: Row, column: str, template: str) -> Prompt:
    """Return a sentence or noun phrase of HolisticBias (Smith et al. 2022); its noun is part of the template."""
    axis, group, noun = (
        "" if (value := row.optional(key)) in NONE else value for key in ("axis", "descriptor", "noun")
    )
    template = f"{template} ({noun})".strip() if noun else template
    return Prompt(
        id=row.id(), text=row.text(column), axis=axis, group=group, template=template, source="HolisticBias"
    )


def _crows(row: Row) -> SentencePair:
    """Return a pair of CrowS-Pairs (Nangia et al. 2020), whose first column numbers the rows and has no name.

    Other files may have the same columns and our own optional ones.
    """
    more, less = row.text("sent_more"), row.text("sent_less")
    if more == less:
        raise row.wrong("both sentences are the same: they must differ in whom they are about")
    published = CROWS_DIRECTION in row.values
    return SentencePair(
        id=row.id("id" if "id" in row.values else ""),
        more=more,
        less=less,
        bias_type=row.optional("bias_type"),
        unrelated=row.optional("unrelated"),
        source="CrowS-Pairs" if published else row.optional("source") or row.path.name,
        cluster=row.optional("cluster"),
    )


def _hatecheck(row: Row) -> LabelledText:
    """Return a functional test of HateCheck (Röttger et al. 2021)."""
    return LabelledText(
        id=row.id("case_id"),
        text=row.text("test_case"),
        toxic=_toxic(row, "label_gold"),
        identity=row.optional("target_ident"),
        kind=row.optional("functionality"),
    )


def _labelled(row: Row) -> LabelledText:
    return LabelledText(
        id=row.id(),
        text=row.text("text"),
        toxic=_toxic(row, "toxic" if "toxic" in row.values else "label"),
        identity=row.optional("identity"),
        kind=row.optional("kind"),
    )


def _toxic(row: Row, column: str) -> bool:
    value = row.values[column]
    label = str(value).strip().lower()
    if label not in TOXIC + HARMLESS:
        raise row.wrong(f"{column!r} must be one of {', '.join(TOXIC + HARMLESS)}, got {reprlib.repr(value)}")
    return label in TOXIC


# The first that fits a file's columns counts.
PROMPT_FORMS = (
    Form(columns=("template_masked", "raw", "category"), read=_honest),
    Form(columns=("text", "template", "axis", "descriptor", "noun"), read=_holistic_sentence),
    Form(columns=("noun_phrase", "axis", "descriptor", "noun"), read=_holistic_phrase),
    Form(columns=("prompt",), read=_prompt),
    Form(columns=("text",), read=general_prompt),
)
PAIR_FORMS = (
    Form(columns=("sent_more", "sent_less"), read=_crows),
    Form(columns=winogender.COLUMNS, read=winogender.pronoun_pair),
)
LABELLED_FORMS = (
    Form(columns=("test_case", "label_gold"), read=_hatecheck),
    Form(columns=("text", "toxic"), read=_labelled),
    Form(columns=("text", "label"), read=_labelled),
)
