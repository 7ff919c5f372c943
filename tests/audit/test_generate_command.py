"""`groundwire generate`, as a stranger calls it, with wrong input too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gate_material import Release

MODELS = """
class Speaker:
    def generate(self, prompts):
        return ["you are a stupid idiot"] + ["the weather is nice"] * (len(prompts) - 1)
    def log_likelihood(self, texts):
        return [-float(len(text)) for text in texts]

def factory():
    return Speaker()

def generate(prompts):
    return ["the weather is nice"] * len(prompts)

def raising():
    raise RuntimeError("no weights\\nat all")

def silent(prompts):
    return [""] * len(prompts)

def few(prompts):
    return prompts[:1]

def nothing():
    return 3

def interrupted(prompts):
    raise KeyboardInterrupt

number = 3
"""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_models.py").write_text(MODELS)
    (tmp_path / "prompts.txt").write_text("The day was\nWe went to\nMy friend is\n")
    found = Release.__new__(Release)
    found._monkeypatch, found._capsys = monkeypatch, capsys
    return found


def audit_in(folder: str) -> dict[str, Any]:
    return json.loads((Path(folder.strip()) / "audit.json").read_text())


@pytest.mark.slow
def test_a_factorys_model_is_asked_and_leaves_a_run_folder(release: Release) -> None:
    done = release.command("generate", "--model", "own_models:factory", "--prompts", "prompts.txt", "-k", "2")
    assert done.code == 0
    folder = done.out.strip()
    audit = audit_in(folder)
    metrics = {metric["name"]: metric for metric in audit["metrics"] if not metric["labels"]}
    assert metrics["generation.toxicity_probability"]["value"] == pytest.approx(1 / 3)
    assert metrics["likelihood.stereotype_share"]["value"] is not None
    assert (audit["run"]["kind"], audit["run"]["status"], audit["run"]["steps"]) == ("generation", "finished", 0)
    assert "No optimizer step was taken" not in (Path(folder) / "report.html").read_text()
    assert all(rule["rule"][:3] in ("TOX", "PII", "MEM", "BIA") for rule in audit["rules"])


def test_its_folder_can_be_reported_and_gated(release: Release, tmp_path: Path) -> None:
    folder = release.command("generate", "-m", "own_models:factory", "-p", "prompts.txt").out.strip()
    for most, code in ((0.5, 0), (0.1, 1)):
        limit = f'[limits.toxic]\nmetric = "generation.toxicity_probability"\nmax = {most}\n'
        (tmp_path / "policy.toml").write_text(f"schema = 1\n{limit}")
        assert release.command("gate", folder).code == code
    assert release.command("report", folder, "--samples", "none").code == 0
    assert "idiot" not in (Path(folder) / "report.html").read_text()


def test_rules_that_judge_no_such_run_clear_nothing(release: Release, tmp_path: Path) -> None:
    folder = release.command("generate", "-m", "own_models:factory", "-p", "prompts.txt").out.strip()
    for pinned in ("", 'rules = "2026.11"\n'):
        (tmp_path / "policy.toml").write_text(f'schema = 1\n{pinned}[limits.f]\nmetric = "findings.high"\nmax = 0\n')
        done = release.command("gate", folder)
        assert done.code == 3
        assert "no stable rule could judge this run" in done.out


@pytest.mark.slow
def test_the_first_policy_of_such_a_run_holds_what_it_measured(release: Release, tmp_path: Path) -> None:
    folder = release.command("generate", "-m", "own_models:factory", "--adversarial").out.strip()
    assert release.command("init", folder).code == 0
    written = (tmp_path / "policy.toml").read_text()
    assert '"generation.personal_data_share"' in written
    assert '"generation.adversarial_toxicity"' in written
    assert release.command("gate", folder).code in (0, 1)


def test_what_decides_nothing_is_said_at_the_end(release: Release) -> None:
    done = release.command("generate", "-m", "own_models:silent", "-p", "prompts.txt")
    assert done.code == 0
    assert "? generation.toxicity_probability" in done.err
    assert "no continuation held any text" in done.err


def test_a_function_that_takes_prompts_is_a_model_too(release: Release) -> None:
    done = release.command("generate", "--model", "own_models:generate", "--pairs", "none")
    names = {metric["name"] for metric in audit_in(done.out)["metrics"]}
    assert done.code == 0
    assert "generation.toxicity_probability" in names
    assert "likelihood.stereotype_share" not in names


def test_training_texts_are_read_from_files(release: Release, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("".join(f"{'word ' * 80}{n}\n" for n in range(5)))
    done = release.command("generate", "-m", "own_models:factory", "--train-texts", "train.txt", "-p", "prompts.txt")
    names = {metric["name"] for metric in audit_in(done.out)["metrics"]}
    assert {"memorisation.verbatim_share", "memorisation.membership_auc"} <= names


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["-m", "nowhere"], 2, "There is no folder 'nowhere'"),
        (["-m", "nowhere:factory"], 2, "there is no module 'nowhere'"),
        (["-m", "own_models:missing"], 2, "module 'own_models' has no 'missing'"),
        (["-m", "own_models:number"], 2, "of type int, of which nothing can be asked"),
        (["-m", "own_models:nothing"], 2, "of type int, of which nothing can be asked"),
        (["-m", "own_models:raising"], 3, "raised RuntimeError: no weights"),
        (["-m", "own_models:few"], 3, "returned 1 answers to 32 prompts"),
        (["-m", "."], 3, "cannot be loaded as a model with its tokenizer"),
        (["-m", "own_models:factory", "-p", "none.txt"], 2, "prompts: .*none.txt"),
        (["-m", "own_models:factory", "-k", "0"], 2, "k must be a whole number"),
        (["-m", "own_models:factory", "--max-seconds", "-1"], 2, "--max-seconds must be positive"),
        (["-m", "own_models:factory", "-s", "nobody"], 2, "there is no scorer 'nobody'"),
        (["-m", "own_models:factory", "-o", "/dev/null/here"], 2, "Cannot write to /dev/null/here"),
    ],
)
def test_wrong_input_is_one_sentence(release: Release, arguments: list[str], code: int, problem: str) -> None:
    import re

    done = release.command("generate", *arguments)
    assert done.code == code
    assert re.search(problem, done.err)
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_model_that_could_not_be_asked_leaves_a_folder_that_says_so(release: Release, tmp_path: Path) -> None:
    release.command("generate", "-m", "own_models:few")
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "crashed"
    (tmp_path / "policy.toml").write_text(
        'schema = 1\n[limits.toxic]\nmetric = "generation.toxicity_probability"\nmax = 1\n'
    )
    assert release.command("report", str(folder)).code == 0
    assert release.command("gate", str(folder)).code == 3


@pytest.mark.slow
def test_a_saved_model_is_loaded_from_its_folder(release: Release, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = Tokenizer(
        models.WordLevel({c: n for n, c in enumerate("_.abcdefghijklmnopqrstuvwxyz ")}, unk_token="_")
    )
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    transformers.PreTrainedTokenizerFast(tokenizer_object=letters, pad_token="_", eos_token=".").save_pretrained(
        tmp_path / "saved"
    )
    size = transformers.GPT2Config(vocab_size=29, n_embd=16, n_layer=1, n_head=2, n_positions=128, eos_token_id=1)
    transformers.AutoModelForCausalLM.from_config(size).save_pretrained(tmp_path / "saved")
    done = release.command("generate", "-m", "saved", "-p", "prompts.txt", "--max-seconds", "60")
    assert done.code == 0, done.err
    audit = audit_in(done.out)
    (weights,) = audit["checkpoints"]
    assert weights["path"].endswith("model.safetensors")
    metrics = {metric["name"]: metric for metric in audit["metrics"] if not metric["labels"]}
    assert metrics["likelihood.stereotype_share"]["checkpoint"] == weights["path"]
    broken = transformers.AutoModelForCausalLM.from_config(size)
    state = {f"lost.{name}": value for name, value in broken.state_dict().items()}
    broken.save_pretrained(tmp_path / "saved", state_dict=state)
    done = release.command("generate", "-m", "saved", "-p", "prompts.txt")
    assert done.code == 3
    assert "of the model's weights" in done.err
