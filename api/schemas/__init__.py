"""Bodies of requests and responses, and decoding of requests."""
