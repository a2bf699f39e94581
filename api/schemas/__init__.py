"""Bodies of requests and answers, and how JSON becomes the former."""
