"""ActivityPub: signed activities that servers deliver to an inbox, and what they mean."""
