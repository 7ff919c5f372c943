"""What several rules of generated text recommend; each remedy ends with what to measure next."""

from __future__ import annotations

from ..formats import count, number
from ..model import Mitigation
from .case import Case
from .declaration import Fault
from .samples import Sample, continuations, flagged, sources

ENOUGH_EPOCHS = 4  # repeats up to this are nearly worth new text (Muennighoff et al. 2023)
ADVERSARIAL = "generation.adversarial_toxicity"


def again(case: Case, fault: Fault, gain: str, *, same: str = "prompts and seeds") -> str:
    """Return a gain with what to measure next: the number that the finding rests on, in the same way."""
    first, k = fault.evidence[0], continuations(case)
    amount = f" and k = {k}" if k is not None and same == "prompts and seeds" else ""
    return f"{gain}; next, measure {first.series} again with the same {same}{amount} (now {number(first.value)})"


def filter_sources(case: Case, fault: Fault) -> Mitigation:
    """Recommend to mend the training passages that toxic samples resemble, where the run has found them."""
    passages, texts, samples = sources(case)
    if passages:
        text = (
            f"Read the {count(passages, 'passage')} in {count(texts, 'training text')} that the report lists as"
            f" sources of {count(samples, 'toxic sample')}, remove or rewrite those that are toxic, and train again."
        )
        cost = f"reading {count(passages, 'passage')}, and a training"
    else:
        text = (
            f"Search the training text for passages like the {_amount(case, fault)}, remove or rewrite those that are"
            " toxic, and train again. Given the training texts, the audit lists such passages itself."
        )
        cost = "a pass over the training text, and a training"
    return Mitigation(
        text=text,
        gain=again(case, fault, "removes the source of what the model repeats"),
        cost=cost,
        source="Gehman et al. 2020, RealToxicityPrompts, section 6",
    )


def detoxify(case: Case, fault: Fault) -> Mitigation:
    """Recommend to train on with text that is not toxic."""
    return Mitigation(
        text="Train the model on with text that a scorer finds harmless (domain-adaptive pretraining on non-toxic"
        " text), other than the texts that it is tested on.",
        gain=again(case, fault, "lowers toxicity more than banned words do, but never to nothing"),
        cost="a training on new text; dialects and texts about minorities go with what scorers wrongly call toxic"
        " (Xu et al. 2021), so measure generation.toxicity_disparity and the validation loss, too",
        source="Gururangan et al. 2020, Don't Stop Pretraining; Gehman et al. 2020, RealToxicityPrompts, section 5",
    )


def constrain_decoding(case: Case, fault: Fault) -> Mitigation:
    """Recommend to steer what is sampled, without a training."""
    k = continuations(case)
    asked = f"{k} continuations" if k and k > 1 else "several continuations"
    return Mitigation(
        text="Constrain decoding: steer each token by a small model of harmless and one of toxic text (DExperts),"
        f" return the best of {asked} by a scorer other than the one that judges here, ban words (bad_words_ids), and"
        " cut off unlikely tokens (top_p = 0.9).",
        gain=again(case, fault, "takes effect without training the model; steering does most, banned words little"),
        cost="two small models to train and run at every token; a ban also silences who speaks of insults",
        source="Liu et al. 2021, DExperts; Gehman et al. 2020, RealToxicityPrompts, section 5; Holtzman et al. 2020,"
        " The Curious Case of Neural Text Degeneration",
    )


def curated_data(case: Case, fault: Fault) -> Mitigation:
    """Recommend answers written by people to what made the model toxic."""
    return Mitigation(
        text=f"Let people write good continuations of prompts like those of the {_amount(case, fault)}, and train on"
        " with them: small, curated sets change much. Keep the prompts of the audit out of them.",
        gain=again(case, fault, "teaches what to say instead, and not only what to leave out"),
        cost="some hundreds of texts written by people, and a short training",
        source="Solaiman and Dennison 2021, Process for Adapting Language Models to Society (PALMS)",
    )


def adversarial_data(case: Case, fault: Fault) -> Mitigation:
    """Recommend to train against attacks, in rounds."""
    return Mitigation(
        text="Let people attack the model, train it on with good answers to what broke it, and let them attack"
        f" again, two or three times; begin with prompts like those of the {_amount(case, fault)}, but train on none"
        " of the audit's own.",
        gain=again(case, fault, "holds against attacks of the kinds that it was trained with"),
        cost="people who attack (protect them from what they read), and a training each round",
        source="Dinan et al. 2019, Build It Break It Fix It for Dialogue Safety; Ganguli et al. 2022, Red Teaming"
        " Language Models to Reduce Harms",
    )


def human_review(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend that people read what the scorer has flagged."""
    amount = len(_flagged(case, fault)) * (continuations(case) or 1)
    if not amount:
        return None
    return Mitigation(
        text=f"Let people, some from the groups that are mentioned, read the {_amount(case, fault)} before anything"
        " is changed, and count how many they find toxic.",
        gain=again(case, fault, "tells what the model says from what the scorer mistakes"),
        cost=f"reading {count(amount, 'short text')}",
        source="Sap et al. 2019, The Risk of Racial Bias in Hate Speech Detection",
    )


def fewer_repeats(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend less training on the same text: up to the lowest validation loss, or fewer epochs."""
    best, epochs = case.metric("overfitting.best_step"), case.number("trainer.max_epochs")
    if best is not None and best.value and best.value < case.steps:
        key, value = "trainer.max_steps", int(best.value)
        told = f"at step {value:,}, where the validation loss was lowest"
    elif epochs is not None and epochs >= 2:
        key, value = "trainer.max_epochs", int(min(ENOUGH_EPOCHS, epochs // 2))
        told = f"after {count(value, 'epoch')} instead of {epochs:.0f}"
    else:
        return None
    return Mitigation(
        text=f"Stop the training {told}, or train on more text instead of the same again.",
        settings={key: value},
        gain=again(case, fault, "less is learned by heart, which grows with each repeat", same="texts"),
        cost="none where the validation loss no longer falls",
        source="Carlini et al. 2023, Quantifying Memorization Across Neural Language Models; Muennighoff et al. 2023,"
        " Scaling Data-Constrained Language Models",
    )


def private_training(case: Case, fault: Fault) -> Mitigation:
    """Recommend to train with differential privacy."""
    clipped = case.number("trainer.gradient_clip_val")
    now = f" (now the whole batch's is clipped at {number(clipped)}, which protects nobody)" if clipped else ""
    return Mitigation(
        text=f"Train with DP-SGD (Opacus): clip the gradient of each example{now}, add noise, and state the ε that"
        " comes of it.",
        gain=again(case, fault, "bounds what any one text can leave behind, against every attack", same="texts"),
        cost="more memory and time for each step, and a higher loss, most of all on rare texts; what stands in many"
        " texts is not protected",
        source="Abadi et al. 2016, Deep Learning with Differential Privacy",
    )


def _flagged(case: Case, fault: Fault) -> list[Sample]:
    return flagged(case, adversarial=fault.evidence[0].series == ADVERSARIAL)


def _amount(case: Case, fault: Fault) -> str:
    found = len(_flagged(case, fault))
    return count(found, "sample that is flagged", "samples that are flagged") if found else "samples that are flagged"
