"""Which projects there are, and which run with how many items.

``HQ`` and ``Catalogue`` say what is on offer, ``Supervisor`` gives the slots; a ``ProjectRun`` has
the runner of one project and the versions of its code, which ``ProjectCode`` fetches and loads.
``recovery`` resumes what earlier runs sealed.
``daemon`` imports it; any room may import the names of ``entry``.
"""
