"""The code of projects: cloned or copied, checked, installed, kept in versions.

``Checkouts`` is what others use; behind it are git with its addresses and messages, the project's
installer, and the store of versions on disk. It knows nothing of items, settings or the page.
``projects``, ``daemon`` and ``standalone`` import it.
"""
