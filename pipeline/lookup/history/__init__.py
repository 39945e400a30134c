"""Scores over time: points per minute, hour and day of each user."""
