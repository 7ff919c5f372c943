"""Training faults, injected into small real runs: what the audit finds of them, and what it says of healthy runs."""
