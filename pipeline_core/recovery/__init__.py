"""What survives the process: items are sealed (``sealer``), noted in a journal (SQLite), and
after a restart found and taken to their end (``recovery``). It may import all other rooms of
this package; only the programs that make the parts, ``warrior``, import it.
"""
