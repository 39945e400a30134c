"""Mastodon: what its streaming API says, what it means, and the agent that listens with a token."""
