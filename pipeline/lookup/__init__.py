"""The lookup side: a sink that writes scores to Redis, and the service that reads them there."""
