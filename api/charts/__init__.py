"""Charts of the training data of versions and of stored points: interactive figures, and SVG."""
