"""What the score is worth: `make validity`."""
