"""Configuration: watches, each by itself or all together in one transaction."""
