"""Verdicts on points from a fitted state: the code shared by every process that judges points."""
