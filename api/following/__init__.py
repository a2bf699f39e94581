"""Following jobs: waits and event feeds."""
