"""Routes: thin functions, each a verb of the API."""
