"""What the server answers over HTTP: the workers' protocol, uploads and pages for people.

``handlers`` has the base classes, which turn errors into answers. ``admission`` decides which
clients are served, ``uploads`` receives files, and ``rotation`` chooses upload targets. Imported
by: tracker, tracker.admin, tracker.commands, tracker.faults.
"""
