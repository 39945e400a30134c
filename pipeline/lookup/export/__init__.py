"""`clout export`: what Redis holds of every user, as a file."""
