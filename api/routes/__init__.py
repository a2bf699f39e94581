"""Routes: thin, each a verb of the API."""
