"""Names of rules without the rules."""

from __future__ import annotations

import subprocess
import sys

from groundwire.audit.rule_names import rule_names
from groundwire.audit.rules import RULES


def test_all_rules_are_found_by_name_and_code() -> None:
    assert rule_names() == {key.lower(): rule.name for rule in RULES for key in (rule.name, rule.code)}


def test_naming_a_rule_imports_none() -> None:
    code = (
        "import sys; from groundwire.audit.rule_names import rule_names; rule_names(); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
