"""The command line. What a command needs is imported when it runs: the gate must start in a blink."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .bind_command import bind
from .card_command import card
from .console import complain, put, say
from .errors import RecordError, UsageError
from .escape import visible
from .estimate_command import estimate
from .gate_command import register as register_gate
from .options import LATER, BaselinePath, CheckpointPath, Listing, ReleasePath, RunPath, WaiversPath, write
from .redact_command import redact
from .verify_command import verify

if TYPE_CHECKING:
    from .model import Audit
    from .rules import Rule


class Commands(TyperGroup):
    """All commands; the help shows those that people use first, and the rest apart."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group of commands."""
        found = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        for title, later in (("Commands", False), (LATER, True)):
            chosen = [(n, c) for n, c in found if (getattr(c, "rich_help_panel", None) == LATER) is later]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(formatter.width)) for name, command in chosen])


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Audit of training runs: read the report, gate the release.",
)


class Page(StrEnum):
    """How a report is rendered."""

    HTML = "html"
    MARKDOWN = "markdown"


class Sheet(StrEnum):
    """How a comparison is rendered."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class Shown(StrEnum):
    """How much generated text a report shows."""

    NONE = "none"
    REDACTED = "redacted"
    FULL = "full"


class Schema(StrEnum):
    """Which file a schema describes."""

    AUDIT = "audit"
    RUN = "run"
    POLICY = "policy"


@app.command(short_help="Write a first policy.toml from what RUN has measured.")
def init(
    run: RunPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the policy goes.")] = Path("policy.toml"),
    profile: Annotated[str, typer.Option("--profile", help="research, release or regulated.")] = "release",
    force: Annotated[bool, typer.Option("--force", help="Replace a policy that is there.")] = False,  # noqa: FBT002
) -> None:
    """Write a first policy.toml: quality and cost from what RUN has measured, limits on harm from a profile."""
    from .init import policy_text

    audit, digest_ok = _audit(run)
    if not digest_ok:
        raise RecordError(f"The audit of {run} has been changed, its digest does not fit: no policy is made from it.")
    write(output, policy_text(audit, profile), replace=force)
    if audit.run.status.value != "finished":
        complain(f"this run is {audit.run.status}: its numbers may be no ground for limits")
    complain(f"wrote {output}; now run: groundwire gate {run} --policy {output}")


register_gate(app)


@app.command(short_help="Render RUN's report as HTML or Markdown.")
def report(
    run: RunPath,
    policy: Annotated[Path | None, typer.Option("--policy", "-p", help="Show the verdict of this policy.")] = None,
    waivers: WaiversPath = None,
    baseline: BaselinePath = None,
    checkpoint: CheckpointPath = None,
    release: ReleasePath = None,
    page: Annotated[Page, typer.Option("--format", "-f", help="html or markdown.")] = Page.HTML,
    samples: Annotated[Shown, typer.Option(help="How much generated text to show.")] = Shown.REDACTED,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: in the run folder.")] = None,
) -> None:
    """Render RUN's report; judge the record first when it has no audit.json."""
    from .gating import Inputs
    from .reporting import make_report

    if policy is None and any((waivers, checkpoint, release)):
        raise UsageError("--waivers, --checkpoint and --release belong to a verdict: give --policy, too.")
    inputs = (
        Inputs.of(policy=policy, waivers=waivers, baseline=baseline, checkpoint=checkpoint, release=release)
        if policy
        else None
    )
    where = make_report(
        run, inputs=inputs, against=None if policy else baseline, markdown=page is Page.MARKDOWN,
        samples=samples.value, output=output,
    )  # fmt: skip
    if where:
        put(f"{visible(where)}\n")


@app.command(short_help="Say what a finding means and what to do.")
def explain(
    code: Annotated[str, typer.Argument(help="Code or name, as in OPT006 or updates-too-large.")],
) -> None:
    """Say what a rule detects, why it matters and what it does not see."""
    from .rules.explanation import explanation

    put(explanation(_rule(code)))


@app.command(short_help="Show runs side by side: seeds, folds, or groups.")
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders, or a folder that holds some.")],
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="May be given several times; default: all.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Setting that tells groups apart: model.dropout.")] = None,
    vary: Annotated[
        list[str] | None, typer.Option("--vary", help="Setting in which repeats may differ, beside seed and fold.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="The runs are folds of so many: wider intervals.")
    ] = None,
    chosen: Annotated[Sheet, typer.Option("--format", "-f", help="text, json, markdown or html.")] = Sheet.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: stdout.")] = None,
) -> None:
    """Show runs side by side, with mean, spread and interval over seeds or folds; refuse what cannot be compared.

    As html: what was changed, which findings are gone or new, and the curves over each other.
    Exit 0 compared, 2 usage or a --metric that cannot be compared, 3 fewer than two runs count.
    """
    from .compared_rows import Asked
    from .compared_text import compared_text
    from .comparing import compare

    found = compare(Asked(runs=runs, metrics=metrics or (), by=by, vary=vary or (), folds=folds))
    text = compared_text(found, chosen.value)
    if output is None:
        put(text)
    else:
        write(output, text)
        put(f"{visible(str(output))}\n")
    if found.hindrance:
        raise RecordError(found.hindrance)


app.command(short_help="Write RUN's energy and emissions for a model card, SCI or the EU form.")(card)


@app.command(rich_help_panel=LATER)
def rules(
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """List all rules."""
    from .rules import RULES

    if chosen is Listing.JSON:
        fields = ("code", "name", "status", "since", "flaw", "needs", "threshold", "unit")
        listed = [{f: getattr(r, f) for f in fields} | {"severity": r.severity.value} for r in RULES]
        put(json.dumps(listed, indent=1) + "\n")
        return
    lines = (f"{rule.code}  {rule.shown:<8}  {rule.name:<24}  {rule.flaw}\n" for rule in RULES)
    put("".join(lines))


@app.command(rich_help_panel=LATER, short_help="Ask a model without training it; leaves a run folder.")
def generate(
    model: Annotated[
        str, typer.Option("--model", "-m", help="package.module:factory, or the folder of a saved model.")
    ],
    prompts: Annotated[
        str, typer.Option("--prompts", "-p", help="A file, or neutral, counterfactual, adversarial.")
    ] = "neutral",
    adversarial: Annotated[bool, typer.Option("--adversarial", help="Provoke it, too.")] = False,  # noqa: FBT002
    groups: Annotated[bool, typer.Option("--groups", help="Compare groups of people, too.")] = False,  # noqa: FBT002
    pairs: Annotated[
        str, typer.Option("--pairs", help="Sentence pairs: groundwire, none, or a file.")
    ] = "groundwire",
    train_texts: Annotated[
        Path | None, typer.Option("--train-texts", help="What it was trained on, one text a line.")
    ] = None,
    held_out_texts: Annotated[
        Path | None, typer.Option("--held-out-texts", help="Texts alike that it was not trained on.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Continuations a prompt.")] = 1,
    scorer: Annotated[str, typer.Option("--scorer", "-s", help="As `groundwire qualify` takes it.")] = "embedded",
    validation: Annotated[
        Path | None, typer.Option("--validation", help="Labelled texts on which the scorer has to qualify.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the first call.")] = 0,
    max_seconds: Annotated[float | None, typer.Option("--max-seconds", help="That answering may take.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where run folders go; may be a URL.")] = "groundwire",
) -> None:
    """Let a model answer prompts, measure what it says, prefers and repeats, and write a run folder with a report.

    The folder is printed; `groundwire gate` and `groundwire report` take it like that of a training.
    """
    from .generating import generate as ask
    from .generating import request_of, undecided

    options = {name: value for name, value in locals().items() if name not in ("ask", "request_of", "undecided")}
    where, audit, problems = ask(request_of(**options))
    for problem in problems:
        complain(problem)
    for finding in audit.findings:
        preview = "" if finding.status == "stable" else " (preview: counts for nothing yet)"
        say(f"  ! {finding.name}  {finding.summary}{preview}")
    for line in undecided(audit):
        say(f"  ? {line}")
    put(f"{visible(where)}\n")


@app.command(rich_help_panel=LATER, short_help="Try a scorer on texts whose labels are known.")
def qualify(
    scorer: Annotated[
        str, typer.Option("--scorer", "-s", help="embedded, detoxify:MODEL or CHECKPOINT, or package.module:object.")
    ] = "embedded",
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="HateCheck, or columns text, toxic, identity; default: ours.")
    ] = None,
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """Try a scorer on texts whose labels are known: exit 0 when it may decide between groups, 1 when not."""
    from .qualifying import card_json, card_of, card_text

    card = card_of(scorer, data)
    put(card_json(card) if chosen is Listing.JSON else card_text(card))
    raise typer.Exit(0 if card.qualified else 1)


@app.command(rich_help_panel=LATER, short_help="Say how many prompts an answer takes.")
def power(
    rate: Annotated[float, typer.Option("--rate", help="Expected rate, as in 0.05.")],
    tolerance: Annotated[float, typer.Option("--tolerance", help="Largest difference that passes, as in 0.05.")],
    groups: Annotated[int, typer.Option("--groups", help="Groups that are compared.")] = 2,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Continuations a prompt.")] = 1,
    correlation: Annotated[float, typer.Option("--correlation", help="Of continuations of one prompt.")] = 0.3,
    confidence: Annotated[float, typer.Option("--confidence", help="As in 0.95.")] = 0.95,
    sure: Annotated[float, typer.Option("--power", help="Probability of an answer.")] = 0.8,
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """Say how many prompts it takes to see a difference, or that there is none, before they are asked."""
    from .planning import plan, plan_json, plan_text

    found = plan(
        rate=rate, tolerance=tolerance, groups=groups, samples=samples, correlation=correlation,
        confidence=confidence, power=sure,
    )  # fmt: skip
    put(plan_json(found) if chosen is Listing.JSON else plan_text(found))


@app.command(rich_help_panel=LATER)
def schema(
    of: Annotated[Schema, typer.Option("--of", help="Which file.")] = Schema.AUDIT,
) -> None:
    """Print the JSON Schema of audit.json, run.json or policy.toml."""
    from .schemas import json_schema

    put(json.dumps(json_schema(of.value), indent=1) + "\n")


@app.command("import", rich_help_panel=LATER, short_help="Add scores that another tool measured to RUN.")
def import_(
    run: RunPath,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Of lm-evaluation-harness, evaluate.save, or plain JSON.")
    ],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", "-c", help="What was evaluated; without it no limit passes.")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", help="Name before the metrics; default: the file's.")] = None,
) -> None:
    """Add scores that another tool measured to RUN, as metrics imported.*, and judge it anew."""
    from .importing import import_scores, kept_text

    names, told = kept_text(import_scores(run, files, checkpoint=checkpoint, name=name))
    put(names)
    complain(told)


@app.command(rich_help_panel=LATER, short_help="Fit a scaling law to runs, and say what a budget can reach.")
def scaling(
    sources: Annotated[
        list[str], typer.Argument(metavar="RUN...|FILE.csv", help="Run folders, or a table with a row a run.")
    ],
    drop_highest: Annotated[int, typer.Option("--drop-highest", help="Leave out so many highest losses.")] = 0,
    budget: Annotated[
        list[float] | None, typer.Option("--budget", help="FLOP; may be given several times; default: the largest.")
    ] = None,
    unique_tokens: Annotated[float | None, typer.Option("--unique-tokens", help="Say what epochs are worth.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Hold this run against the law.")] = None,
    tokens_per_step: Annotated[
        float | None, typer.Option("--tokens-per-step", help="Of runs that did not log their tokens.")
    ] = None,
    bootstrap: Annotated[int, typer.Option("--bootstrap", help="Resamples behind the intervals.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """Fit a scaling law to runs: best model and tokens for a budget, worth of epochs, where a run stands."""
    from .scaling import Question, study, study_json, study_text

    found = study(
        Question(
            sources=sources, run=run, drop_highest=drop_highest, budgets=budget or (), unique_tokens=unique_tokens,
            tokens_per_step=tokens_per_step, resamples=bootstrap, seed=seed,
        )
    )  # fmt: skip
    put(study_json(found) if chosen is Listing.JSON else study_text(found))


app.command(rich_help_panel=LATER, short_help="Say what a training will take before it runs.")(estimate)


app.command(rich_help_panel=LATER, short_help="Recompute the digests from record to report.")(verify)
app.command(rich_help_panel=LATER, short_help="Declare a file that was made of RUN's weights.")(bind)
app.command(rich_help_panel=LATER, short_help="Take raw text out of RUN; digests and numbers stay.")(redact)


def _audit(run: str) -> tuple[Audit, bool]:
    from .load import load_audit

    return load_audit(run)


def _rule(code: str) -> Rule:
    from .registry import nearest
    from .rules import RULES

    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    known = [name for rule in RULES for name in (rule.name, rule.code)]
    hint = nearest(code, known) or "; `groundwire rules` lists all"
    raise UsageError(f"There is no rule {code!r}{hint}.")
