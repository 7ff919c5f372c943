"""What the statistics of groups do when the truth is known."""
