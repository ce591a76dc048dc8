"""A small tracker: hands out items, takes results and uploads.

It speaks the protocol that pipelines expect (``request``, ``release``, ``upload``,
``done``) and keeps everything in one SQLite file. It stands alone: it imports neither the
toolkit nor the daemon.
"""
