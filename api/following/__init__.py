"""Responses that go on: waits for jobs, event streams of jobs and alerts, and long downloads."""
