"""The engagement state of a partition: a pure function of its log, in columns."""
