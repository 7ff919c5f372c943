"""A small GPT on the Python language reference, audited while it trains."""
