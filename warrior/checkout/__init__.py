"""The code of projects: cloned or copied, checked, installed, and kept in versions.

Other rooms use ``Checkouts``. Behind it are git with its addresses and messages, the project's
installer, and the store of versions. This room knows nothing of items, settings or the page.
``projects``, ``daemon`` and ``standalone`` import it.
"""
