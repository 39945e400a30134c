"""Nostr: signed events, what they mean, and the agent that listens to relays."""
