"""Named arrays and wiring → networks: records, evidence, recovery and the NumPy re-run."""
