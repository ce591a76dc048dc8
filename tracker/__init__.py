"""A small tracker: it hands out items, counts results and takes uploads.

It speaks the protocol that pipelines expect (``request``, ``release``, ``upload``, ``done``) and
keeps everything in one SQLite file. It imports neither the toolkit nor the daemon. ``cli`` is the
program ``run-tracker``, and only ``app`` constructs the server's parts. ``errors``, ``names`` and
``text`` import nothing else of the tracker. Imported by: tracker.admin, tracker.commands,
tracker.faults, tracker.store, tracker.web.
"""
