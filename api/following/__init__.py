"""Following jobs: waits and event streams."""
