"""Histories of versions, as figures and pictures."""
