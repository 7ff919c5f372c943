"""What a notebook shows of the callback before, while and after a run."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import lightning as L
from groundwire.callbacks import AuditCallback
from material import Classifier, fit, trainer


def shown(callback: AuditCallback) -> str:
    """Return the text of the page in the frame."""
    found = re.fullmatch(r'<iframe [^>]*sandbox="" [^>]*srcdoc="([^"]*)"></iframe>\s*', callback._repr_html_())
    assert found is not None
    return html.unescape(re.sub(r"<[^>]+>", "", html.unescape(found[1]).partition("<body>")[2]))


def test_before_while_and_after_a_run(tmp_path: Path) -> None:
    class Looking(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            if trainer.global_step == 10:
                seen.append(shown(callback))

    seen: list[str] = []
    callback = AuditCallback(carbon=None)
    assert "Nothing audited yet" in shown(callback)
    assert "gradient" in shown(callback)
    fit(trainer(tmp_path, callback, Looking()), Classifier())
    assert "Running: 10 batches" in seen[0]
    assert "generation: the module has no" in seen[0]
    assert "finished · 36 steps" in shown(callback)
    assert "report.html" in shown(callback)


def test_a_run_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None)
    callback._last_folder = str(tmp_path / "gone")
    assert "No audit to show" in shown(callback)
