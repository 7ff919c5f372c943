from __future__ import annotations

import pytest


@pytest.mark.slow
def test_causal_model_learns_and_its_text_is_sampled(train):
    run = train("huggingface_causal")
    assert run.audit["run"]["status"] == "finished"
    assert run.metric("logged.val_loss") < 6.9  # ln 1024: what random weights score
    assert run.metric("generation.toxicity_probability") is not None
    assert (run.folder / "report.html").is_file()


def test_tokens_of_a_text_read_back_as_the_text():
    from examples.huggingface_causal import learn_tokens

    text = "The “try” statement: naïve — or ~not~ so naïve?\n    else 0\n"
    tokenizer = learn_tokens([text] * 4, vocabulary=300)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
