"""Configuration: watches, receivers and sources, each by itself or all together in one transaction."""
