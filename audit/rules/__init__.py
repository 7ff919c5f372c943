"""Rules: pure functions from a case to evidence of one fault, one family a file."""
