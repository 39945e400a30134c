"""Control records: written to `clout.control`, followed into memory, mirrored in Redis."""
