"""The delivery engine: what is to be told goes out, late rather than never, and to nobody's private network."""
