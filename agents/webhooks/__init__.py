"""Webhooks of the networks that push to their customers: one receiver, and a data file for each network."""
