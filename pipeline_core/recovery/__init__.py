"""Items that survive the process.

Items are sealed (``sealer``), recorded in a journal (SQLite), and resumed after a restart
(``recovery``). It may import all other packages of ``pipeline_core``; only ``warrior``, which
constructs the parts, imports it.
"""
