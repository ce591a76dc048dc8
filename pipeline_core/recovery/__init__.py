"""Items that survive the process.

Items are sealed (``sealer``), recorded in an SQLite file (``journal``), kept after a failure
(``keeper``), and resumed after a restart (``recovery``, ``resume``). Imported by:
pipeline_core.engine, warrior.daemon, warrior.projects, warrior.standalone.
"""
