"""Prompt sets written for Groundwire, as data files."""
