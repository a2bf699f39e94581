"""From a fitted state and points to verdicts: what every process that judges points does."""
