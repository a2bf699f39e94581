"""The commands of `tsad`, one module each."""
