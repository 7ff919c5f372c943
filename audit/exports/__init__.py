"""Exports: what a run has measured, in the forms that others ask for."""
