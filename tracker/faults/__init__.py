"""Failures that ``run-tracker --faults`` makes on purpose, to test how pipelines handle them.

``plan`` reads the specification and chooses the faults; it knows nothing of HTTP. ``handlers``
makes them. Imported by: tracker, tracker.commands.
"""
