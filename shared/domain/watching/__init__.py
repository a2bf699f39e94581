"""Rules that turn verdicts on a stream of points into alerts. They are pure: callers pass the time."""
