"""Compatibility: what makes old pipeline files run on new Python versions.

``aliases`` adds the names ``seesaw`` and ``distutils``, ``project_imports`` handles a project's
own imports, ``python2`` adds the names that only Python 2 had, and ``features`` lists the
features of the contract that are deprecated or new. Imported by: pipeline_core,
pipeline_core.engine, pipeline_core.requirements.
"""
