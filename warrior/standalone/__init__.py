"""The run of run-pipeline: one pipeline file, without a daemon.

``run`` makes the parts: the output of the items, the journal in the data folder, and
--auto-update. Imported by: warrior.cli.
"""
