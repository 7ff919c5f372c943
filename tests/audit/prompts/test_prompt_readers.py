"""Files of prompts, pairs and labelled texts are read for what they hold, and what is wrong is one sentence."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.prompts import LabelledText, Prompt, SentencePair
from groundwire.audit.prompts.readers import read_labelled, read_pairs, read_prompts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Save = Callable[..., Path]
CROWS = ",sent_more,sent_less,stereo_antistereo,bias_type\n"
HATECHECK = ",functionality,case_id,test_case,label_gold,target_ident\n"


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return what writes a file and gives its path."""

    def write(content: str | bytes, name: str = "set.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def only(path: Path) -> Prompt:
    """Return the one prompt in a file."""
    (prompt,) = read_prompts(path)
    return prompt


def test_realtoxicityprompts_nested(save: Save) -> None:
    row = {
        "filename": "a.txt",
        "prompt": {"text": "So I said ", "toxicity": 0.25, "threat": None},
        "continuation": {},
    }
    assert only(save(json.dumps(row), "rtp.jsonl")) == Prompt(
        id="rtp-1", text="So I said", toxicity=0.25, source="RealToxicityPrompts"
    )
    row["prompt"]["toxicity"] = None  # some have none
    assert only(save(json.dumps(row), "rtp.jsonl")).toxicity is None


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["race_prompt.json", "renamed.txt"])
def test_bold_as_its_authors_publish_it(save: Save, indent: int | None, name: str) -> None:
    document = {
        "Asian_Americans": {"Some_One": ["Someone is a writer who ", "Someone is a writer who ", "\n", "He "]}
    }
    prompts = read_prompts(save(json.dumps(document, indent=indent), name))
    assert [prompt.text for prompt in prompts] == ["Someone is a writer who", "He"]
    assert prompts[1].id == "Asian_Americans/Some_One/4"
    assert {(p.axis, p.group, p.source) for p in prompts} == {("race and ethnicity", "Asian Americans", "BOLD")}


def test_bold_of_an_unknown_domain_is_named_by_its_file(save: Save) -> None:
    assert only(save('{"cat": {"x": ["A"]}}', "pet_kinds_prompt.json")).axis == "pet kinds"


def test_bold_as_the_hub_has_it(save: Save) -> None:
    row = {"domain": "religious_ideology", "category": "judaism", "name": "Torah", "prompts": ["The Torah is "]}
    expected = Prompt(id="judaism/Torah/1", text="The Torah is", axis="religion", group="judaism", source="BOLD")
    assert only(save(json.dumps(row), "bold.jsonl")) == expected
    with pytest.raises(UsageError, match=r"line 2: 'prompts' must be a list of texts, as in BOLD$"):
        read_prompts(save(json.dumps(row) + '\n{"prompts": "x"}', "bold.jsonl"))


def test_honest(save: Save) -> None:
    header = "template_masked\traw\tidentity\tnumber\tcategory\ttype\n"
    row = "the lady dreams of being a [M].\t[I] dreams of being a [M]\tthe lady\tsingular\tfemale\toccupation\n"
    prompt = only(save(header + row + row, "honest.txt"))
    assert (prompt.text, prompt.axis, prompt.group) == ("the lady dreams of being a", "gender", "female")
    assert (prompt.template, prompt.source) == ("[I] dreams of being a [M]", "HONEST")
    assert only(save(header + row.replace("female", "queer_gender"), "honest.tsv")).axis == "queer identity"
    with pytest.raises(UsageError, match=r"line 2: 'template_masked' must hold a text and then \[M\]"):
        read_prompts(save(header + row.replace("[M].", "nurse."), "honest.tsv"))


def test_holisticbias(save: Save) -> None:
    header = "text,axis,bucket,descriptor,noun,noun_phrase,template\n"
    rows = "I'm a deaf mum.,ability,auditory,deaf,mum,a deaf mum,I'm {noun_phrase}.\n"
    rows += "I'm a mum.,null,(none),(none),mum,a mum,I'm {noun_phrase}.\n"
    prompts = read_prompts(save(header + rows))
    assert [(p.axis, p.group) for p in prompts] == [("ability", "deaf"), ("", "")]
    assert {p.template for p in prompts} == {"I'm {noun_phrase}. (mum)"}
    phrase = only(save("axis,bucket,descriptor,noun,noun_phrase\nability,x,deaf,mum,a deaf mum\n"))
    assert (phrase.text, phrase.template, phrase.source) == ("a deaf mum", "(mum)", "HolisticBias")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"id": "x", "prompt": "So", "axis": "age", "group": "old", "template": "t", "toxicity": 0.5}', "p.jsonl"),
        ('{"id": "x", "text": "So", "axis": "age", "group": "old", "template": "t", "toxicity": "0.5"}', "p.txt"),
        ("id,Text,axis,group,template,toxicity\nx, So ,age,old,t,0.5", "p.csv"),
        ("\n id\tprompt\taxis\tgroup\ttemplate\ttoxicity\r\n\r\nx\tSo\tage\told\tt\t.5\r\n\t\t\t\t\t\r\n", "p"),
        ("id;prompt;axis;group;template;toxicity\nx;So;age;old;t;0.5", "p.csv"),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_our_own_columns_in_json_lines_and_tables(save: Save, content: str, name: str, mark: bytes) -> None:
    expected = Prompt(id="x", text="So", axis="age", group="old", template="t", toxicity=0.5, source=name)
    assert only(save(mark + content.encode(), name)) == expected


def test_plain_text_is_one_prompt_a_line(save: Save) -> None:
    prompts = read_prompts(save("\n[Once] upon, a time \r\n\n  there was\nthere was\n", "p.txt"))
    assert [(p.id, p.text) for p in prompts] == [("p-2", "[Once] upon, a time"), ("p-4", "there was")]


def test_control_characters_marks_and_lines_in_quotes_are_kept(save: Save) -> None:
    text = 'a\x00b\u202e\u200f\x85 "c"\nd, \x1b[31m\u2028e'
    quoted = '"' + text.replace('"', '""') + '"'
    assert only(save(f"id,prompt\n1,{quoted}\n")).text == text
    assert only(save(json.dumps({"prompt": text}), "p.jsonl")).text == text
    assert only(save("a\x00b\u202e\u200f\x85c\n", "p.txt")).text == "a\x00b\u202e\u200f\x85c"


def test_very_long_lines_are_read_and_the_limit_of_csv_is_put_back(save: Save) -> None:
    before = csv.field_size_limit()
    assert len(only(save("prompt,id\n" + "x" * 3_000_000 + ",1\n")).text) == 3_000_000
    assert csv.field_size_limit() == before


def test_rows_are_named_by_the_line_they_begin_in(save: Save) -> None:
    prompts = read_prompts(save('prompt,axis\n"a\nb",x\n\nc,x\n'))
    assert [prompt.id for prompt in prompts] == ["set-2", "set-5"]


def test_a_repeated_row_is_kept_once(save: Save) -> None:
    assert [p.id for p in read_prompts(save("prompt,group\na,x\na,y\na,x\n"))] == ["set-2", "set-3"]
    assert len(read_prompts(save('{"text": "a", "n": 1}\n{"n": 1, "text": "a"}\n', "p.jsonl"))) == 1
    assert len(read_pairs(save(f"{CROWS}0,a,b,stereo,age\n1,a,b,stereo,age\n"))) == 2


def test_crows_pairs(save: Save) -> None:
    path = save(f'{CROWS}7,"a, b",c,stereo,age\n')
    assert read_pairs(path) == (SentencePair(id="7", more="a, b", less="c", bias_type="age", source="CrowS-Pairs"),)


def test_hatecheck(save: Save) -> None:
    rows = "0,slur_h,11,Bad. ,hateful,women\n1,counter,12,Good.,non-hateful,\n"
    assert read_labelled(save(HATECHECK + rows)) == (
        LabelledText(id="11", text="Bad.", toxic=True, identity="women", kind="slur_h"),
        LabelledText(id="12", text="Good.", toxic=False, kind="counter"),
    )


@pytest.mark.parametrize(
    ("label", "toxic"), [("1", True), ("True", True), ("toxic", True), ("0", False), ("false", False), ("0.0", False)]
)
def test_labels_of_general_tables(save: Save, label: str, toxic: bool) -> None:
    for column in ("toxic", "label"):
        (text,) = read_labelled(save(f"text,{column},identity,kind\na,{label},women,quote\n"))
        assert text == LabelledText(id="set-2", text="a", toxic=toxic, identity="women", kind="quote")


@pytest.mark.parametrize(("value", "toxic"), [(True, True), (1, True), (1.0, True), (False, False), (0, False)])
def test_labels_in_json(save: Save, value: Any, toxic: bool) -> None:
    (text,) = read_labelled(save(json.dumps({"text": "a", "toxic": value}), "l.jsonl"))
    assert text.toxic is toxic


WRONG: list[tuple[Callable[[Path], Any], str | bytes, str, str]] = [
    (read_prompts, "", "p.txt", "p.txt holds no rows: write one prompt on each line"),
    (read_prompts, "\n \n", "p.csv", "p.csv is empty: prompts need 'prompt' or 'text'"),
    (read_prompts, "id,prompt\n", "p.csv", "p.csv holds no rows: prompts need 'prompt'"),
    (read_prompts, "id,sentence\n1,a\n", "p.csv", "has the columns 'id', 'sentence', but prompts need 'prompt'"),
    (read_prompts, f"{CROWS}1,a,b,c,d", "p.txt", "has the columns '', 'sent_more', .*, but prompts need"),
    (read_prompts, "prompt,prompt\na,b\n", "p.csv", "has two columns 'prompt': rename one"),
    (read_prompts, "id,prompt\n1,a\n2,b,c\n", "p.csv", "line 3: 3 values for 2 columns: put values"),
    (read_prompts, "id,prompt\n1,a\n2\n", "p.csv", "line 3: 1 values for 2 columns"),
    (read_prompts, 'id,prompt\n1,a\n2,"b\nc\n', "p.csv", "line 3 is not valid CSV .*: check its quotation marks"),
    (read_prompts, 'id,prompt\n2,"b" c\n', "p.csv", "line 2 is not valid CSV"),
    (read_prompts, "id,prompt\n1,a\n2, \n", "p.csv", "line 3: 'prompt' is empty: write a text or remove the line"),
    (read_prompts, "id,prompt\n1,a\n1,b\n", "p.csv", "line 3: the id '1' is taken by an earlier line"),
    (read_prompts, "prompt,toxicity\na,2\n", "p.csv", "line 2: 'toxicity' must be a number from 0 to 1, got '2'"),
    (read_prompts, "prompt,toxicity\na,nan\n", "p.csv", "line 2: 'toxicity' must be a number"),
    (read_prompts, '{"text": "a"}\n{"text": ', "p.jsonl", "line 2: '{\"text\":' is not a JSON object: write one"),
    (read_prompts, '{"text": "a"}\n[1]', "p.jsonl", "line 2: .* is not a JSON object"),
    (read_prompts, '{"text": "a"}\n{"say": 1}', "p.jsonl", "line 2: there are the keys 'say', but prompts need"),
    (read_prompts, '{"text": 5}', "p.jsonl", "line 1: 'text' must be text, got 5"),
    (read_prompts, '{"text": "a", "axis": ["x"]}', "p.jsonl", r"line 1: 'axis' must be text, got \['x'\]"),
    (read_prompts, '{"prompt": {"toxicity": 0.1}}', "p.jsonl", "line 1: 'text' must be text, got None"),
    (read_prompts, '{"prompt": {"text": "a", "toxicity": true}}', "p.jsonl", "line 1: 'toxicity' must be a number"),
    (read_prompts, '{"text": ' + "9" * 5000 + "}", "p.jsonl", "line 1: .* is not a JSON object"),
    (read_prompts, '{"a": ' + "[" * 100_000, "p.jsonl", "line 1: .* is not a JSON object"),
    (read_prompts, "{}", "p.json", "line 1: there are the keys , but prompts need"),
    (read_prompts, '[{"text": "a"}]', "p.json", "p.json is one JSON list: write one object on each line"),
    (read_prompts, '[\n{"text": "a"}\n]', "p.json", "p.json is one JSON list"),
    (read_prompts, b"id,prompt\n1,a\n2,caf\xe9\n", "p.csv", r"not UTF-8 text \(byte 6 of line 3 is 0xe9\): save"),
    (read_prompts, "prompt\na".encode("utf-16"), "p.csv", r"not UTF-8 text \(byte 1 of line 1 is 0xff\)"),
    (read_labelled, "", "l.csv", "l.csv is empty: labelled texts need"),
    (read_labelled, "text\na\n", "l.csv", "has the columns 'text', but labelled texts need 'text' and 'toxic'"),
    (read_labelled, "text,toxic\na,maybe\n", "l.csv", "line 2: 'toxic' must be one of 1, .*, got 'maybe'"),
    (read_labelled, '{"text": "a", "toxic": null}', "l.jsonl", "line 1: 'toxic' must be one of 1"),
    (read_labelled, "text,toxic\na,1\na,0\n", "l.csv", "'l-2' and 'l-3' are one text with two labels: decide"),
    (read_labelled, '["a"]', "l.json", "l.json is one JSON list"),
    (read_pairs, "a\nb\n", "c.csv", "has the columns 'a', but sentence pairs need 'sent_more' and 'sent_less'"),
    (read_pairs, f"{CROWS}1,a,a ,stereo,age\n", "c.csv", "line 2: both sentences are the same"),
    (read_pairs, f"{CROWS}1,a,,stereo,age\n", "c.csv", "line 2: 'sent_less' is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "content", "name", "problem"), WRONG)
def test_what_is_wrong_is_one_sentence(
    save: Save, read: Callable[[Path], Any], content: str | bytes, name: str, problem: str
) -> None:
    path = save(content, name)
    with pytest.raises(UsageError, match=problem) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value).replace(str(path), "")


@pytest.mark.parametrize("read", [read_prompts, read_pairs, read_labelled])
def test_paths_that_are_no_files(tmp_path: Path, read: Callable[[str], Any]) -> None:
    os.mkfifo(tmp_path / "pipe")
    wrong = {
        tmp_path: "is a folder: give one of the files in it",
        tmp_path / "absent.csv": "there is no file .*absent.csv: check its path",
        tmp_path / "pipe": "pipe is not a plain file",
        "": "the path of the file is empty",
        "a\x00b": r"there is no file a\\x00b: check its path",
        "x" * 5000: r"cannot read x+… \(4,700 more characters\) \(File name too long\): check its path",
    }
    for path, problem in wrong.items():
        with pytest.raises(UsageError, match=problem):
            read(str(path))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200), name=st.sampled_from(["f.csv", "f.jsonl", "f.txt"]))
def test_any_file_is_read_or_refused_in_a_sentence(save: Save, content: bytes, name: str) -> None:
    for prefix in (b"", b'{"text": ', b"text,toxic\n"):
        path = save(prefix + content, name)
        for read in (read_prompts, read_pairs, read_labelled):
            try:
                assert read(path)
            except UsageError as error:
                assert str(error)
