"""Policies that come with Groundwire: `extends = "profile:release"`, or `groundwire init --profile release`."""
