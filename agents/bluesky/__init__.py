"""Bluesky: Jetstream's frames, what they mean, and the agent that listens to them."""
