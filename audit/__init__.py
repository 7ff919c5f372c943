"""Judge: the record, the rules, the policy and the gate. Imports neither Lightning nor, when loaded, torch."""
