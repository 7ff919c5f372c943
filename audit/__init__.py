"""Judge: the record, the rules, the policy and the gate. Never imports Lightning or, at load, torch."""
