"""Whether what `EfficiencyMonitor` says of operations and of waiting for data is true, and what it costs a step."""
