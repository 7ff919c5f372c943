"""What samples can tell: intervals, comparisons of groups, and how many samples a question takes."""

from .clustered import ClusteredRate, clustered_rate, design_effect, intraclass_correlation
from .comparison import Comparison, Pair, compare_groups, holm
from .intervals import mean_interval, proportion_interval, proportion_upper_bound, welch_interval
from .power import prompts_for_bound, prompts_for_difference, prompts_for_equality
from .ranking import auc_interval

__all__ = [
    "ClusteredRate",
    "Comparison",
    "Pair",
    "auc_interval",
    "clustered_rate",
    "compare_groups",
    "design_effect",
    "holm",
    "intraclass_correlation",
    "mean_interval",
    "prompts_for_bound",
    "prompts_for_difference",
    "prompts_for_equality",
    "proportion_interval",
    "proportion_upper_bound",
    "welch_interval",
]
