"""Small real trainings that overfit, and healthy ones that look as if they did: what the audit says of each."""
