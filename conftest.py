"""Notebook outputs are compared as numbers, in every folder."""

pytest_plugins = ["tools.compare"]
