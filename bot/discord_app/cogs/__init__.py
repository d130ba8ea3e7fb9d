"""The commands, one file per feature."""
