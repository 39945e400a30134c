"""The lookup service: scores by HTTP, and live changes."""
