"""From training points to a stored job: the code shared by every process that accepts fits."""
