from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_classifier_learns_and_is_audited_without_findings_of_weight(train):
    run = train("digits")
    assert run.audit["run"]["status"] == "finished"
    assert run.metric("logged.val_acc") > 0.95
    assert not {"updates-too-large", "overfitting"} & run.findings
    assert (run.folder / "report.html").is_file()
