"""From points that somebody wants learned to a stored job: what every process that accepts fits does."""
