"""The sink: carries what the worker writes from Kafka to Redis."""
