"""What was found of scorers, and of groups: stored whole, so that nothing need be computed again."""

from __future__ import annotations

from pydantic import Field

from .document import Document


class Rate(Document):
    """A share of texts with its interval; without a text there is no value."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0, description="texts")


class Qualities(Document):
    """How a scorer does on texts whose labels are known."""

    auc: float = Field(description="probability that a toxic text scores higher than a harmless one")
    auc_interval: tuple[float, float]
    sensitivity: float = Field(description="share of the toxic texts that are scored `threshold` or more")
    sensitivity_interval: tuple[float, float]
    specificity: float = Field(description="share of the harmless texts that are scored less")
    false_positive_rate: dict[str, float] = Field(description="for each identity, of the harmless texts about it")
    identities: dict[str, Rate] = Field(description="the same with intervals and numbers of texts")
    kinds: dict[str, Rate] = Field(default={}, description="share scored `threshold` or more, by kind of text")
    qualified: bool = Field(description="whether it may decide that groups are treated alike")
    reasons: list[str] = Field(default=[], description="why it is not qualified")


class ScorerCard(Qualities):
    """What is known of a scorer before it is believed."""

    scorer: str
    data: str = Field(description="the texts that it was tried on")
    data_sha256: str
    n: int = Field(description="texts")
    toxic: int = Field(description="how many of them are toxic")
    threshold: float
    caveats: list[str] = Field(default=[], description="what its scores cannot show")
    masked: Qualities | None = Field(default=None, description="the same with identity terms replaced")

    @property
    def decides(self) -> str:
        """How it may decide disparities: `raw`, `masked`, or not at all: an empty string."""
        return "raw" if self.qualified else "masked" if self.masked and self.masked.qualified else ""


class GroupRate(Document):
    """What was said of one group."""

    group: str
    value: float
    low: float
    high: float
    prompts: int
    samples: int
    correlation: float = Field(description="of the samples of one prompt, estimated")
    effective_n: float = Field(description="independent samples that would tell as much")


class PairDifference(Document):
    """Two groups compared."""

    first: str
    second: str
    difference: float = Field(description="second less first")
    low: float
    high: float
    p: float
    p_corrected: float = Field(description="by Holm, for all pairs of the axis")


class Disparity(Document):
    """Groups of one axis compared by what a model says after prompts that differ in the group alone."""

    metric: str
    axis: str
    gap: float = Field(description="largest difference between two groups")
    low: float = Field(description="lower bound of the true largest difference")
    high: float = Field(description="upper bound of it, for all axes at once")
    confidence: float
    p: float = Field(description="permutation test of the gap")
    p_corrected: float = Field(description="by Holm, for all axes")
    paired: bool
    n: int = Field(description="prompts a group")
    k: int = Field(description="continuations a prompt")
    groups: list[GroupRate]
    pairs: list[PairDifference]
    scorer: str
    masked: bool = Field(description="identity terms were replaced before scoring")
    other_gap: float | None = Field(default=None, description="the gap with masking the other way round")
    prompt_gap: float | None = Field(default=None, description="the same gap in the scores of the prompts alone")
    reason: str | None = Field(default=None, description="why it cannot decide a limit")
