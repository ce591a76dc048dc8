"""The toolkit that pipeline authors import, as ``pipeline_core`` or as ``seesaw``.

Both names are one module object. The three values below are part of the
contract with pipeline files: they compare ``__version__`` with the version they
need, and some look at ``runner_type``.
"""

from pipeline_core.compat import aliases as _aliases

#: The level of the pipeline API that this package implements; also what is told
#: to the tracker and to Warrior HQ.
__version__ = "0.10.3"

#: ``'Standalone'`` under run-pipeline, ``'Warrior'`` under run-warrior.
runner_type = "Standalone"

#: What the builder of a warrior image put there; sent in the User-Agent.
warrior_build = ""

_aliases.install()
