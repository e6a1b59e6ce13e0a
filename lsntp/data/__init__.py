"""A name or a file -> a field in K -> windows."""
