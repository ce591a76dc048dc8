"""Requirements: the programs and Python modules that a pipeline file needs on this machine,
which of them are missing, and how to install them.

Sources are read without being run. ``engine.loader`` and the daemon may import it.
"""
