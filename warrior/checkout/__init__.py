"""The code of projects: cloned or copied, checked, installed, and kept in versions.

Other packages use ``Checkouts``, and ``standalone`` also uses git directly. Behind it are git,
the project's installer, and the store of versions. This package knows nothing of items, settings
or the page. Imported by: warrior.daemon, warrior.projects, warrior.standalone.
"""
