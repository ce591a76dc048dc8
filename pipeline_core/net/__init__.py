"""Requests to other machines, and their answers: delays, limits, redirects.

Delays: ``tracker_request`` has those of an item that asks a tracker, also for an upload target
after a failed upload (``DEFAULT_RETRY_DELAY``); ``governor`` those that all items share, of an
upload target that fails and of a git remote; ``tracker_retry`` the one after a 403, ``endpoints``
the shortest one, ``backoff`` the arithmetic and Retry-After. Size and time limits of an answer,
such as a tracker's: ``http`` (``LARGEST_BODY``, ``DEADLINE``); of its content:
``tracker_answers``. ``turns`` are permissions to make one request, ``address_scope`` checks where
redirects lead, and ``curl_run`` runs curl once. Imported by: pipeline_core, pipeline_core.engine,
pipeline_core.recovery, warrior.checkout, warrior.daemon, warrior.projects, warrior.standalone.
"""
