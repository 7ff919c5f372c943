from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from detoxify_checkpoint import tiny_checkpoint


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Leave the other cores to the other workers: threads of such small products mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(name="checkpoint", scope="session")
def _checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.getbasetemp())
