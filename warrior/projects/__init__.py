"""The projects on offer, and the runs of the chosen ones.

``HQ`` and ``Catalogue`` find the projects, ``Supervisor`` distributes the slots. A ``ProjectRun``
has the runner of one project and the versions of its code, which ``ProjectCode`` fetches and
loads. ``recovery`` resumes what earlier runs sealed. Most import only ``entry``. Imported by:
warrior.checkout, warrior.cli, warrior.config, warrior.daemon, warrior.settings, warrior.web.
"""
