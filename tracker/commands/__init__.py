"""The commands of ``run-tracker``, each of which works while a server runs.

``options`` has what they share on the command line, ``output`` what they print. ``serving`` loads
the server when it is about to run. Imported by: tracker.
"""
