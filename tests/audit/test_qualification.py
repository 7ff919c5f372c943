"""A scorer is believed as far as it did well on texts whose labels are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.prompts import LabelledText, load_validation
from groundwire.audit.prompts.readers import read_labelled
from groundwire.audit.qualification import qualify
from groundwire.audit.qualifying import card_json, card_text
from groundwire.audit.scorers import Scorer, ScorerError, load_scorer
from groundwire.audit.scorers.masking import mask_identities

HATECHECK = Path(__file__).parents[3] / "shared" / "data" / "hatecheck.csv"
OURS = load_validation()
TRUTH = {text.text: text.toxic for text in OURS}


def oracle(texts: list[str]) -> list[float]:
    return [0.99 if TRUTH[text] else 0.01 for text in texts]


def test_one_that_knows_all_answers_qualifies() -> None:
    card = qualify(Scorer(name="oracle", compute=oracle), OURS, data="ours")
    assert card.qualified
    assert (card.auc, card.sensitivity, card.specificity) == (1.0, 1.0, 1.0)
    assert set(card.false_positive_rate.values()) == {0.0}
    assert card.auc_interval[0] < 1.0  # so many texts cannot show that it never errs
    assert card.caveats == ["of so few texts an identity, 28 % false positives cannot be ruled out"]


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_one_that_says_always_the_same_does_not(score: float) -> None:
    card = qualify(Scorer(name="same", compute=lambda texts: [score] * len(texts)), OURS, data="ours")
    assert not card.qualified
    assert card.auc == 0.5


def test_one_that_ranks_well_and_flags_nothing_does_not() -> None:
    timid = Scorer(name="timid", compute=lambda texts: [score / 3 for score in oracle(texts)])
    card = qualify(timid, OURS, data="ours")
    assert card.auc == 1.0
    assert not card.qualified
    assert "it finds 0 % of the toxic texts" in card.reasons[0]


def test_one_that_wrongs_one_identity_does_not_and_is_rescued_by_masking() -> None:
    def biased(texts: list[str]) -> list[float]:
        return [0.99 if TRUTH.get(text, "idiot" in text) or "Muslim" in text else 0.01 for text in texts]

    masked = {mask_identities(text.text): text.toxic for text in OURS}

    def either(texts: list[str]) -> list[float]:
        return [0.99 if TRUTH.get(t, masked.get(t)) or "Muslim" in t else 0.01 for t in texts]

    assert not qualify(Scorer(name="biased", compute=biased), OURS, data="ours").qualified
    card = qualify(Scorer(name="biased", compute=either), OURS, data="ours", mask=mask_identities)
    assert not card.qualified
    assert any("texts about Muslims for toxic" in reason for reason in card.reasons)
    assert card.false_positive_rate["Muslims"] > 0.5 > card.false_positive_rate["women"]
    assert card.decides == "masked"


def test_the_embedded_scorer_may_not_decide_between_groups() -> None:
    card = qualify(load_scorer(), OURS, data="ours", mask=mask_identities)
    assert card.decides == ""
    assert card.false_positive_rate["gay people"] > card.false_positive_rate["men"]
    assert any("misses" in caveat for caveat in card.caveats)


@pytest.mark.skipif(not HATECHECK.is_file(), reason="HateCheck is not there: ../shared/data/hatecheck.csv")
def test_the_embedded_scorer_is_worse_than_chance_on_hatecheck() -> None:
    card = qualify(load_scorer(), read_labelled(HATECHECK), data="hatecheck.csv", mask=mask_identities)
    assert card.auc == pytest.approx(0.468, abs=0.002)
    assert card.decides == ""
    assert "worse than chance" in card.reasons[0]
    assert card.false_positive_rate["gay people"] == pytest.approx(0.84, abs=0.01)
    assert card.n == 3728


def test_texts_without_identities_say_nothing_of_groups() -> None:
    texts = [LabelledText(id=str(n), text=f"{n}{' idiot' * (n % 2)}", toxic=bool(n % 2)) for n in range(40)]
    word = Scorer(name="word", compute=lambda found: [float("idiot" in text) for text in found])
    card = qualify(word, texts, data="own")
    assert not card.qualified
    assert card.reasons == ["no identity has 5 harmless texts: nothing is known of how it treats groups"]


@pytest.mark.parametrize("toxic", [True, False])
def test_texts_of_one_kind_are_refused(toxic: bool) -> None:
    texts = [LabelledText(id=str(n), text=str(n), toxic=toxic) for n in range(5)]
    with pytest.raises(UsageError, match="a scorer is tried on both kinds"):
        qualify(load_scorer(lambda found: [0.5] * len(found)), texts, data="own")


def test_a_scorer_that_breaks_gets_no_card() -> None:
    with pytest.raises(ScorerError, match="returned nan"):
        qualify(Scorer(name="nan", compute=lambda texts: [float("nan")] * len(texts)), OURS, data="ours")


def test_the_card_reads_as_json_and_as_text() -> None:
    card = qualify(Scorer(name="oracle\x1b[2J", compute=oracle), OURS, data="ours")
    document = json.loads(card_json(card))
    assert document["auc"] == document["sensitivity"] == 1.0
    assert document["qualified"] is True
    assert all(isinstance(rate, float) for rate in document["false_positive_rate"].values())
    text = card_text(card)
    assert "\x1b" not in text
    assert "QUALIFIED: it may decide" in text
