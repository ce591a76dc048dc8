"""The commands of ``run-tracker``, each of which works while a server runs.

``options`` has what they share on the command line, ``output`` what they print. This package
imports ``store``, and what the server's options need: ``faults.plan`` and ``web.rotation``. Only
``cli`` imports it. ``serving`` loads the server when it is about to run.
"""
