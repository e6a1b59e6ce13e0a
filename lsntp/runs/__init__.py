"""A config -> a record: the one way to a number."""
