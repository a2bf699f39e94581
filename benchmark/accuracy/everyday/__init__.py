"""Everyday series: a history, a normal future, and five anomalies that a person sees at a glance."""
