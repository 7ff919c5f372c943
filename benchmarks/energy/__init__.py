"""What the energy ledger and its forecasts are worth, against powers that are known."""
