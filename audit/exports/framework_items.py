"""Which items of frameworks a run can give evidence for, and what in an audit is that evidence: one table.

Numbering as in NIST AI 100-1 (AI RMF 1.0, January 2023, https://doi.org/10.6028/NIST.AI.100-1) and in Annexes IV and
XI of Regulation (EU) 2024/1689 (OJ L, 12.7.2024, http://data.europa.eu/eli/reg/2024/1689/oj) as first published. The
texts here are short descriptions in our own words: the frameworks' own words decide what an item asks for, and
whether it is met is not said here. Items about which a training run can say nothing (intended purpose, human
oversight, measures of cybersecurity, …) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

NIST = "NIST AI RMF 1.0"
ANNEX_IV = "EU AI Act, Annex IV"
ANNEX_XI = "EU AI Act, Annex XI"

ABOUT = {
    NIST: "NIST AI 100-1, Artificial Intelligence Risk Management Framework (AI RMF 1.0), January 2023",
    ANNEX_IV: "Regulation (EU) 2024/1689, Annex IV: technical documentation of high-risk AI systems (Article 11(1))",
    ANNEX_XI: "Regulation (EU) 2024/1689, Annex XI: documentation of general-purpose AI models (Article 53(1)(a))",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One item of a framework.

    Attributes:
        framework: One of `ABOUT`.
        number: As the framework numbers it.
        asks: What it asks for, in our words.
        metrics: Names of metrics that are evidence; one that ends in a dot stands for all that begin so.
        rules: Codes of rules whose answer is evidence, also that they saw no fault.
        facts: Places in the audit that are evidence, as dotted names: `configuration.optimizer`.
    """

    framework: str
    number: str
    asks: str
    metrics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


_QUALITY = ("logged.", "imported.")
_COMPUTE = ("efficiency.training_flop", "carbon.duration_s", "efficiency.mfu", "efficiency.gpu_utilisation")
_ENERGY = ("carbon.energy_kwh", "carbon.facility_energy_kwh")
_CLIMATE = (*_ENERGY, "carbon.emissions_kg", "carbon.intensity", "carbon.water_l", "carbon.embodied_kg")
_GENERALISES = ("overfitting.gap", "overfitting.gap_relative", "overfitting.best_step", "forecast.loss_at_double")
_LIMITS = ("GEN001", "GEN002", "GEN004", "GEN005", "GEN006")
_SOUND = ("OPT001", "OPT002", "OPT003", "OPT004", "OPT010", "OPT011")
_TOXIC = (
    "generation.toxicity_probability", "generation.expected_max_toxicity", "generation.adversarial_toxicity",
    "generation.toxicity_change", "generation.honest",
)  # fmt: skip
_FAIR = (
    "generation.toxicity_disparity", "generation.sentiment_disparity", "generation.regard_disparity",
    "generation.honest_disparity", "likelihood.stereotype_share", "likelihood.icat",
)  # fmt: skip
_PRIVATE = (
    "memorisation.verbatim_share", "memorisation.canary_exposure", "memorisation.membership_auc",
    "memorisation.loss_gap", "generation.personal_data_share",
)  # fmt: skip
_LEAKS = ("MEM001", "MEM002", "MEM003", "PII001")
_PARTIAL = ("TOX002", "BIA001")
_FORECASTS = ("forecast.coverage", "forecast.error", "carbon.forecast_coverage", "carbon.forecast_error")
_PROVOKED = ("generation.adversarial_toxicity",)

ITEMS: tuple[Item, ...] = (
    Item(framework=NIST, number="MEASURE 1.1", facts=("not_checked",),
         asks="Risks that are not or cannot be measured are documented"),
    Item(framework=NIST, number="MEASURE 2.1", facts=("monitors", "scorers", "environment.packages"),
         asks="Test sets, metrics and the tools of testing are documented"),
    Item(framework=NIST, number="MEASURE 2.3", metrics=_QUALITY,
         asks="Performance is measured, under conditions like those of use"),
    Item(framework=NIST, number="MEASURE 2.5", metrics=_GENERALISES, rules=(*_LIMITS, *_SOUND),
         asks="The system is shown to be valid and reliable, and how far it generalises is documented"),
    Item(framework=NIST, number="MEASURE 2.6", metrics=_TOXIC, rules=("TOX001", "TOX003", "TOX004"),
         asks="Safety risks are evaluated regularly"),
    Item(framework=NIST, number="MEASURE 2.7", metrics=_PROVOKED, rules=("TOX004",),
         asks="Security and resilience are evaluated and documented"),
    Item(framework=NIST, number="MEASURE 2.8", facts=("digest", "checkpoints", "environment.git", "configuration"),
         asks="Risks to transparency and accountability are examined and documented"),
    Item(framework=NIST, number="MEASURE 2.9", metrics=_QUALITY, facts=("run.model", "configuration"),
         asks="The model is explained, validated and documented"),
    Item(framework=NIST, number="MEASURE 2.10", metrics=_PRIVATE, rules=_LEAKS,
         asks="Risks to privacy are examined and documented"),
    Item(framework=NIST, number="MEASURE 2.11", metrics=_FAIR, rules=_PARTIAL, facts=("disparities",),
         asks="Fairness and bias are evaluated, with the results documented"),
    Item(framework=NIST, number="MEASURE 2.12", metrics=_CLIMATE, rules=("CO2003", "CO2004", "CO2006"),
         asks="The environmental impact of training is assessed and documented"),
    Item(framework=NIST, number="MEASURE 2.13", metrics=_FORECASTS, facts=("scorers",),
         asks="How well the measurements themselves work is evaluated"),
    Item(framework=ANNEX_IV, number="1(c)", facts=("environment.packages", "environment.python"),
         asks="Versions of relevant software"),
    Item(framework=ANNEX_IV, number="2(a)", facts=("run.model", "run.parent", "configuration.trainer"),
         asks="How the system was developed, with what it was built upon"),
    Item(framework=ANNEX_IV, number="2(b)", facts=("configuration.model", "configuration.optimizer"),
         asks="Design specifications: logic, design choices, what is optimised for"),
    Item(framework=ANNEX_IV, number="2(c)", metrics=(*_COMPUTE, "carbon.energy_kwh"),
         facts=("environment.gpus", "environment.cpus"),
         asks="Architecture, and the computing resources to develop, train, test and validate the system"),
    Item(framework=ANNEX_IV, number="2(d)", facts=("configuration.data",),
         asks="Data: requirements, provenance, characteristics, how it was chosen and prepared"),
    Item(framework=ANNEX_IV, number="2(g)", metrics=(*_QUALITY, *_GENERALISES, *_FAIR, *_TOXIC), rules=_LIMITS,
         facts=("monitors", "disparities"),
         asks="Validation and testing: procedures, data, metrics of accuracy and robustness, discriminatory impacts,"
         " dated test logs"),
    Item(framework=ANNEX_IV, number="3", metrics=(*_GENERALISES, *_FAIR), facts=("disparities", "not_checked"),
         asks="Capabilities and limits of performance, also for particular groups of persons, and foreseeable risks"),
    Item(framework=ANNEX_IV, number="4", facts=("scorers",),
         asks="Why the performance metrics suit the system"),
    Item(framework=ANNEX_XI, number="Section 1, 1(d)", facts=("run.model", "configuration.model"),
         asks="Architecture and number of parameters"),
    Item(framework=ANNEX_XI, number="Section 1, 2(b)", facts=("configuration.optimizer", "configuration.trainer"),
         metrics=_GENERALISES,
         asks="Design of model and training process: methods, key choices, what is optimised for"),
    Item(framework=ANNEX_XI, number="Section 1, 2(c)", facts=("configuration.data",),
         asks="Data for training, testing and validation, and measures against unsuitable sources and biases"),
    Item(framework=ANNEX_XI, number="Section 1, 2(d)", metrics=_COMPUTE, facts=("run.duration_s", "environment.gpus"),
         asks="Computing resources of the training, as floating-point operations, and its time"),
    Item(framework=ANNEX_XI, number="Section 1, 2(e)", metrics=_ENERGY,
         asks="Known or estimated energy consumption of the model"),
    Item(framework=ANNEX_XI, number="Section 2, 1", metrics=(*_QUALITY, *_TOXIC, *_FAIR), facts=("scorers",),
         asks="For models with systemic risk: strategies of evaluation, with criteria, metrics and results"),
    Item(framework=ANNEX_XI, number="Section 2, 2", metrics=_PROVOKED, rules=("TOX004",),
         asks="For models with systemic risk: adversarial testing and adaptation of the model"),
)  # fmt: skip
