"""Files that the gate looks for where none is named."""

POLICY = "policy.toml"
WAIVERS = "waivers.toml"
RELEASE = "release.toml"
