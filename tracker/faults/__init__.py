"""Failures that ``run-tracker --faults`` makes on purpose, to test how pipelines handle them.

``plan`` reads the specification and chooses the faults; it knows nothing of HTTP. ``handlers``
answers with them, and ``targets`` has the upload targets that fail. This package imports ``web``;
``app`` imports it, and ``commands`` imports ``plan``.
"""
