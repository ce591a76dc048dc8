"""Stands in for ``distutils`` where Python has none (3.12 and later)."""

__path__: list[str] = []
