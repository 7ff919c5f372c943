"""The base of our measurements in Hugging Face `evaluate`'s form."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import evaluate
from datasets import Features, Value


class TextMeasurement(evaluate.Measurement):  # type: ignore[misc] # evaluate is not typed
    """A measurement of texts that is made directly, reads no network and writes no file.

    `Subclass().compute(predictions=["…", "…"])` gives lists with one number for each text.
    """

    description = ""
    source = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"keep_in_memory": True} | options)
        self._download_and_prepare(None)  # evaluate.load does so, making an instance does not

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            module_type="measurement",
            description=type(self).description,
            citation=type(self).source,
            inputs_description="predictions: list of texts",
            features=Features({"predictions": Value("string")}),
        )

    def _build_data_dir(self) -> str:
        """Return where predictions would be spooled; kept in memory, they need no folder to be made."""
        return "" if self.keep_in_memory else str(super()._build_data_dir())

    def _download_and_prepare(self, dl_manager: Any) -> None:
        """Load whatever is needed to compute."""

    @abstractmethod
    def _compute(self, predictions: list[str]) -> dict[str, list[float]]:
        """Return lists as long as `predictions`."""
