"""Examples; run them from the repository root, for instance `python -m examples.demo`."""
