"""Agents: they read a network or a file, and publish what happened there to Kafka."""
