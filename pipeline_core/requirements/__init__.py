"""What a pipeline file needs on this machine, what is missing, and how to install it.

The text on the card of a project whose program or module is missing: ``collect`` says what is
missing, ``install_hints`` what to do. ``source_reader`` reads sources without running them, and
``needs`` has the types and the lookups. Imported by: pipeline_core, pipeline_core.compat,
pipeline_core.engine, warrior.cli, warrior.projects.
"""
