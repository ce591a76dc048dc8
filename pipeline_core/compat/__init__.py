"""Compatibility: what makes old pipeline files run on new Python versions.

It holds the names ``seesaw`` and ``distutils``, a project's own imports, the names that only
Python 2 had, and which features of the contract are deprecated or new. ``engine``,
``requirements`` and the command lines may import it.
"""
