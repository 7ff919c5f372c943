"""Scorers of generated text: toxicity and sentiment."""
