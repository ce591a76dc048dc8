"""Everything that the tracker remembers: one SQLite file, the lock of its folder, and copies.

``store`` holds the connection, the projects and their items. ``blocks``, ``claims``, ``keys``,
``projects``, ``reading`` and ``targets`` are views of the tables, one for each subject.
``threads`` runs all of it for the server, off the event loop. Every other package may import
this one; it imports none of them, and knows nothing of HTTP or of the command line.
"""
