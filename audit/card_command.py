"""The options of `groundwire card`; what it needs is imported when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .console import complain, put
from .errors import RecordError
from .options import Format, RunPath


class CardFormat(StrEnum):
    """Who a card is for."""

    HUGGINGFACE = "huggingface"
    SCI = "sci"
    EU_GPAI = "eu-gpai"


class TrainingType(StrEnum):
    """What a training was, in the words of a model card."""

    PRE_TRAINING = "pre-training"
    FINE_TUNING = "fine-tuning"


class Per(StrEnum):
    """Functional unit of a carbon intensity."""

    SAMPLE = "sample"
    TOKEN = "token"  # noqa: S105 - a word of text
    EPOCH = "epoch"
    RUN = "run"


def card(
    run: RunPath,
    form: Annotated[
        CardFormat, typer.Option("--format", "-f", help="huggingface, sci or eu-gpai.")
    ] = CardFormat.HUGGINGFACE,
    shape: Annotated[Format | None, typer.Option("--as", help="text, json or markdown; default: text.")] = None,
    into: Annotated[Path | None, typer.Option("--card", help="Model card (README.md) to change in place.")] = None,
    training_type: Annotated[TrainingType | None, typer.Option("--training-type", help="Declared by you.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="Where it ran: Quebec, Canada.")] = None,
    per: Annotated[Per | None, typer.Option("--per", help="Functional unit of SCI; default: run.")] = None,
    embodied_kg: Annotated[float | None, typer.Option("--embodied-kg", help="Of making all the hardware.")] = None,
    lifetime_years: Annotated[float | None, typer.Option("--lifetime-years", help="Of the hardware.")] = None,
    hours_reserved: Annotated[
        float | None, typer.Option("--hours-reserved", help="For which the run had it; default: the run's time.")
    ] = None,
    share: Annotated[float | None, typer.Option("--share", help="Of the hardware it had; default: 1.")] = None,
) -> None:
    """Write RUN's energy, emissions and computation for a Hugging Face card, as SCI, or for the EU's form.

    Exit 0 written, what is not known named; 2 usage; 3 the run cannot be read, or has no SCI score.
    """
    from .carding import Wanted
    from .carding import card as made

    found = made(
        Wanted(
            run=run, format=form.value, shape=shape and shape.value, card=into,
            training_type=training_type and training_type.value, location=location, per=per and per.value,
            embodied_kg=embodied_kg, lifetime_years=lifetime_years, hours_reserved=hours_reserved, share=share,
        )
    )  # fmt: skip
    put(found.text)
    for line in found.told:
        complain(line)
    if found.hindrance:
        raise RecordError(found.hindrance)
