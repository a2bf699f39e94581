"""The commands of `tsad`, a module for each."""
