"""Snapshots: all rows in one file, apart from the log that they come from."""
