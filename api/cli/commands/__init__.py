"""The commands of `tsad`, a module each."""
