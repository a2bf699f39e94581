"""Read points from files: every form either has exactly one reading, or is refused with the option that settles it."""
