"""The floating-point operations of a run, counted or estimated, and what its devices could have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .efficiency_totals import Totals, UnknownError
from .formats import percent
from .model import Quality

SCALED_MOST = 0.05  # share of batches whose operations were taken in proportion, above which the sum is a model


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """The operations of all attempts.

    Attributes:
        flop: By the type of number.
        quality: Measured where nearly all batches were of a shape that was counted and counts of one shape were
            alike, else modelled.
        method: How.
        counted: How many batches were counted.
    """

    flop: Mapping[str, float]
    quality: Quality
    method: str
    counted: int | None


def work_of(totals: Totals) -> Work | str:
    """Return the operations that were counted, else an estimate of them, else why there is none."""
    try:
        return _counted(totals)
    except UnknownError as error:
        reason = str(error)
    try:
        return _estimated(totals, reason)
    except UnknownError as error:
        return f"{reason}; and 6 × parameters × tokens cannot be told, because {error}"


def _counted(totals: Totals) -> Work:
    told = [event for event in totals.events if event["flop"] is not None or event["batches"] > 1]
    flop: dict[str, float] = {}
    for event in told or totals.events:
        if event["flop"] is None:
            raise UnknownError(str(event["no_flop"] or "nothing was counted"))
        number = event["attempt"]
        alike = totals.devices(number) / len(totals.of_attempt(number))
        for word, amount in event["flop"].items():
            flop[word] = flop.get(word, 0.0) + amount * alike
    counted = sum(event["counted_batches"] for event in told)
    batches = sum(event["batches"] for event in told)
    scaled = sum(event["scaled_batches"] for event in told) / batches
    varied = sum(event.get("varied_batches", 0) for event in told) / batches
    quality = Quality.MODELLED if scaled > SCALED_MOST or varied else Quality.MEASURED
    method = _method(totals, counted, batches, scaled, varied)
    return Work(flop=flop, quality=quality, method=method, counted=counted)


def _method(totals: Totals, counted: int, batches: int, scaled: float, varied: float) -> str:
    method = f"products of matrices, convolutions, attention and recurrent layers, counted in {counted:,} of"
    method += f" {batches:,} batches as they ran, forward and backward; activations that were computed once more and"
    method += " the optimizer's update are not among them"
    if scaled:
        method += f"; {percent(scaled)} of the batches had another shape and count in proportion to their size"
    if varied:
        method += (
            f"; {percent(varied)} of the batches had a shape whose counts differ by more than 2 %: each count stands"
        )
        method += " for the batches until the next one"
    missing = sorted({name for event in totals.events for name in event["uncounted"]})
    method += f"; not counted: {', '.join(missing[:6])}" if missing else ""
    return method + totals.attempts_in_words()


def _estimated(totals: Totals, reason: str) -> Work:
    """Return 6ND of the parameters that are multiplied with (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).

    Raises:
        UnknownError: Tokens were not counted.
    """
    from .hardware import dtype_of

    flop: dict[str, float] = {}
    for number in totals.attempts:
        facts = totals.facts[number]
        a_token = 2 * facts["product_parameters"] + 4 * facts["trainable_product_parameters"]
        word = dtype_of(facts["precision"], tf32=facts["tf32"])
        flop[word] = flop.get(word, 0.0) + a_token * totals.of_ranks(number, "tokens", "no_tokens")
    method = "6 × parameters that are multiplied with × tokens, 2 × for those that are frozen, without the products"
    method += f" of attention with itself, because {reason}{totals.attempts_in_words()}"
    return Work(flop=flop, quality=Quality.MODELLED, method=method, counted=None)


def peak_of(device: str, name: str, word: str, declared: float | None) -> tuple[float, str]:
    """Return a device's dense peak and its source.

    Raises:
        UnknownError: It is not known.
    """
    from .hardware import peak

    if declared is not None:
        return float(declared), "declared"
    if device != "cuda":
        raise UnknownError("the run is on no GPU whose dense peak is known: give peak_flop_per_s=")
    found = peak(name, word) or (peak(name, "fp32") if word == "tf32" else None)  # older devices have no TF32
    if found is None:
        raise UnknownError(f"the dense peak of {name} in {word} is not in the table: give peak_flop_per_s=")
    return found.flop_per_s, found.source
