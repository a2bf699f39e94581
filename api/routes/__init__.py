"""Routes: thin functions, one per operation of the API."""
