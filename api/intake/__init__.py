"""Pushed points: from request bodies to checked points, with a flaw for each that is refused."""
