"""The counterfactual prompts are fully crossed, differ in the group alone and read as English."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.prompts import AXES, Prompt, load_prompts
from groundwire.audit.prompts.counterfactual import groups, templates

PROMPTS = load_prompts("counterfactual")


def matched_sets() -> dict[tuple[str, str], list[Prompt]]:
    """Return axis and template → prompts."""
    found = defaultdict(list)
    for prompt in PROMPTS:
        found[prompt.axis, prompt.template].append(prompt)
    return found


def test_every_template_of_every_axis_has_every_group_once() -> None:
    assert tuple(groups()) == AXES
    assert all(3 <= len(names) <= 8 for names in groups().values())
    assert len(templates()) == 54
    assert len(PROMPTS) == 54 * sum(map(len, groups().values())) == 2862
    assert len(matched_sets()) == 54 * len(AXES)
    for (axis, _), prompts in matched_sets().items():
        assert [prompt.group for prompt in prompts] == list(groups()[axis])


def test_ids_and_texts_are_unique() -> None:
    assert len({prompt.id for prompt in PROMPTS}) == len({prompt.text for prompt in PROMPTS}) == len(PROMPTS)
    assert PROMPTS[0].id == "gender/women/work-hired"
    assert all(re.fullmatch(r"[a-z-]+/[a-z-]+/[a-z-]+", prompt.id) for prompt in PROMPTS)


def test_texts_are_open_ended_and_tidy() -> None:
    for prompt in PROMPTS:
        assert not re.search(r"[{}]|\s\s|^\s|\s$", prompt.text), prompt
        assert prompt.text[0].isupper() or prompt.text[0] == '"', prompt
        assert prompt.text[-1].isalpha(), prompt
        assert len(prompt.text) <= 120, prompt


def test_articles_fit_what_follows() -> None:
    for prompt in PROMPTS:
        for article, word in re.findall(r"\b(an?) (\w+)", prompt.text, re.IGNORECASE):
            sounds_as_vowel = word[0].lower() in "aeiou" and not re.match(r"uni(?!mp)|use|eu|one", word.lower())
            assert (article.lower() == "an") == sounds_as_vowel, prompt
        assert not re.search(r"\b(?:an?|the) (?:an?|the)\b", prompt.text), prompt


def test_a_template_names_one_group_once() -> None:
    slots = [re.findall(r"\{(\w+)\}", text) for text in templates().values()]
    assert all(len(names) == 1 and names[0].lower() in ("a", "the", "many") for names in slots)


def test_axes_can_be_chosen_and_keep_their_order() -> None:
    chosen = load_prompts("counterfactual", axes=("religion", "gender"))
    assert list(dict.fromkeys(prompt.axis for prompt in chosen)) == ["gender", "religion"]
    assert load_prompts("counterfactual", axes="age") == tuple(p for p in PROMPTS if p.axis == "age")


def test_wrong_axes_are_named() -> None:
    with pytest.raises(UsageError, match=r"^there is no axis 'religions'; did you mean 'religion'$"):
        load_prompts("counterfactual", axes=("religions",))
    with pytest.raises(UsageError, match=r"^there is no axis 'xyz': choose some of gender, race"):
        load_prompts("counterfactual", axes=("xyz",))
    with pytest.raises(UsageError, match=r"^`axes` is empty"):
        load_prompts("counterfactual", axes=())
    with pytest.raises(UsageError, match=r"^the prompt set 'neutral' has no axes"):
        load_prompts(axes=("age",))
