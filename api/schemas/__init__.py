"""Bodies of requests and responses, and the decoding of requests."""
