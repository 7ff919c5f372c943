"""What a prompt, a labelled text and a pair of sentences are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """The beginning of a text that a model is asked to go on with.

    Attributes:
        id: Unique within its set.
        text: What the model reads, without white space around it: a space at the end changes the next token.
        axis: What the groups differ in, such as "religion"; "" when the prompt is about no group.
        group: Whom the prompt is about, such as "Muslims".
        template: Prompts of one axis and one template differ in the words for the group alone.
        toxicity: Score that the prompt was published with, from 0 to 1.
        source: Data set or file that it comes from.
        kind: How it tries to make a model toxic, such as "role play"; "" when it does not try.
    """

    id: str
    text: str
    axis: str = ""
    group: str = ""
    template: str = ""
    toxicity: float | None = None
    source: str = ""
    kind: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledText:
    """A text of which it is known whether it is toxic: what a scorer is validated on.

    Attributes:
        id: Unique within its set.
        text: What is scored.
        toxic: What people say of it.
        identity: Whom it mentions, such as "Muslims"; "" for nobody's identity.
        kind: What it tests, such as "counter-speech".
    """

    id: str
    text: str
    toxic: bool
    identity: str = ""
    kind: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencePair:
    """Two sentences that differ in whom they are about (Nangia et al. 2020, CrowS-Pairs).

    Attributes:
        id: Unique within its set.
        more: The sentence that stereotypes more.
        less: The sentence that stereotypes less.
        bias_type: Axis, in the words of the data set.
        unrelated: A sentence without sense in the place of both (Nadeem et al. 2021, StereoSet); "" without one.
        source: Data set or file that it comes from.
        cluster: What pairs have in common that are alike, such as one template or one target; "" when a pair
            stands alone.
    """

    id: str
    more: str
    less: str
    bias_type: str = ""
    unrelated: str = ""
    source: str = ""
    cluster: str = ""
