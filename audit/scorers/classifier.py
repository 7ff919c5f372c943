"""A classifier of texts that reads all of a text, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import ScorerError, well_formed
from .exact import exactly, serial_tokenizers
from .windows import batches, windows

# Tokens of a batch. On a CPU larger ones gain nothing and leave its caches; others are given what 32 texts have.
BUDGET_CPU, BUDGET = 2048, 16384


@dataclass(frozen=True, kw_only=True, slots=True)
class Classifier:
    """A network with its tokenizer and the names of its outputs.

    Attributes:
        network: Maps ids and mask, both (texts, tokens), to logits (texts, outputs).
        tokenizer: Of Hugging Face's kind.
        labels: Names of the first outputs; Detoxify's others are not scores of toxicity.
        before: Special tokens that come before a text's own.
        after: Those that come after.
        room: Tokens of a text's own that it reads at once.
    """

    network: Any
    tokenizer: Any
    labels: tuple[str, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    room: int

    def predict(self, texts: Sequence[str], batch_size: int | None = None) -> dict[str, list[float]]:
        """Return the probability of each label for each text: the highest of its windows.

        Equal to `Detoxify.predict` for texts that a model can read at once. Memory is that of one batch and the
        ids of all texts, four bytes a token; every token of every text is read.

        Args:
            texts: Any texts.
            batch_size: Most windows that are read at once; as many as fit the budget of tokens if None.
        """
        import torch

        highest = torch.full((len(texts), len(self.labels)), -torch.inf, dtype=torch.float32, device="cpu")
        with exactly(self.network):
            for places, scores in self._read([self._ids(text) for text in texts], batch_size):
                for place, row in zip(places, scores, strict=True):
                    highest[place] = torch.maximum(highest[place], row)  # where one is NaN, so is the highest
        return {label: highest[:, column].tolist() for column, label in enumerate(self.labels)}

    def _ids(self, text: str) -> Any:
        """Return the ids of a text's own tokens (tokens)."""
        import torch

        with serial_tokenizers():  # one text a call: more hold more memory and are no faster
            ids = self.tokenizer(well_formed(text), add_special_tokens=False, verbose=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.int32, device="cpu")

    def _read(self, ids: list[Any], batch_size: int | None) -> Iterator[tuple[list[int], Any]]:
        """Yield the numbers of some texts and the scores of a window of each (windows, labels)."""
        planned = [window for text, own in enumerate(ids) for window in windows(text, len(own), self.room)]
        on_cpu = next(self.network.parameters()).device.type == "cpu"
        special = len(self.before) + len(self.after)
        budget = BUDGET_CPU if on_cpu else BUDGET
        for batch in batches(planned, special=special, budget=budget, most=batch_size):
            scores = self._scores([ids[window.text][window.start : window.stop] for window in batch])
            yield [window.text for window in batch], scores

    def _scores(self, pieces: list[Any]) -> Any:
        """Return probabilities (pieces, labels), on the CPU."""
        import torch

        before, after = torch.tensor(self.before, device="cpu"), torch.tensor(self.after, device="cpu")
        rows = [torch.cat((before, piece, after)) for piece in pieces]
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
        lengths = torch.tensor([len(row) for row in rows], device="cpu")
        mask = (torch.arange(ids.shape[1], device="cpu") < lengths[:, None]).long()
        device = next(self.network.parameters()).device
        logits = self.network(input_ids=ids.to(device), attention_mask=mask.to(device))[0]
        return torch.sigmoid(logits[:, : len(self.labels)].float()).cpu()


def classifier(network: Any, tokenizer: Any, labels: Sequence[str]) -> Classifier:
    """Return a network and its tokenizer as one classifier.

    Raises:
        ScorerError: The two do not fit each other, or texts are framed in a way that is not known here.
    """
    before, after = _frame(tokenizer)
    room = _most_tokens(network, tokenizer) - len(before) - len(after)
    known, learned = len(tokenizer), network.get_input_embeddings().weight.shape[0]
    if known <= len(tokenizer.all_special_ids) or known > learned or room < 1:
        raise ScorerError(
            f"the tokenizer knows {known} tokens and the model {learned}, of which it reads {max(room, 0)} at once:"
            " put the tokenizer's own files beside the checkpoint"
        )
    return Classifier(
        network=network, tokenizer=tokenizer, labels=tuple(labels), before=before, after=after, room=room
    )  # fmt: skip


def _frame(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens before and after a text, as the tokenizer itself sets them."""
    own = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a")
    ids = framed["input_ids"]
    starts = [start for start in range(len(ids)) if ids[start : start + len(own)] == own]
    if not own or not starts or any(framed.get("token_type_ids", ())):
        raise ScorerError(
            f"{type(tokenizer).__name__} frames a text in a way that is not known: choose another model"
        )
    return tuple(ids[: starts[0]]), tuple(ids[starts[0] + len(own) :])


def _most_tokens(network: Any, tokenizer: Any) -> int:
    """Return how many tokens the network reads at once, special ones counted."""
    embeddings = getattr(network.base_model, "embeddings", None)
    first = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    unused = 0 if first is None else int(first) + 1  # RoBERTa's positions begin after that of padding
    return int(min(tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", 512) - unused))
