"""Charts of the training data of versions: interactive figures and static pictures."""
