"""Histories of versions, as interactive figures and static pictures."""
