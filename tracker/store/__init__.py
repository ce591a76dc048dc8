"""Everything that the tracker remembers: one SQLite file, the lock of its folder, and copies.

``store`` has the class ``Store``, whose public methods are the whole interface: the other modules
contribute the methods of one subject each. ``threads`` runs them for the server, off the event
loop. This package knows nothing of HTTP or of the command line. Imported by: tracker,
tracker.admin, tracker.commands, tracker.web.
"""
