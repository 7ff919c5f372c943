"""The gate in CI: an action and a workflow for GitHub, a template for GitLab."""
