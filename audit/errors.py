"""What can go wrong for a user, each as one sentence that says what is wrong and what to do."""

from __future__ import annotations


class GroundwireError(Exception):
    """Base of every error whose message is meant for the user; `exit_code` is what the command returns."""

    exit_code = 3


class UsageError(GroundwireError):
    """The command, a policy or an option is wrong."""

    exit_code = 2


class RecordError(GroundwireError):
    """A run folder cannot be read: missing, foreign, newer or damaged."""
