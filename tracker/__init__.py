"""A small tracker: it hands out items, counts results and takes uploads.

It speaks the protocol that pipelines expect (``request``, ``release``, ``upload``, ``done``)
and keeps everything in one SQLite file. It imports neither the toolkit nor the daemon. ``cli``
is the program ``run-tracker``, and only ``app`` constructs the server's parts. Every package may
import ``errors``, ``names`` and ``text``, which import nothing else of the tracker.
"""
