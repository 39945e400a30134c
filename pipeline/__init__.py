"""Clout: engagement in, influence scores out."""
