"""The toolkit that pipeline authors import, as ``pipeline_core`` or as ``seesaw``.

Both names are the same module object. Its own modules are the contract with pipeline files, and
form one layer with ``engine``. The files compare ``__version__`` with the version they need, and
some read ``runner_type``. Imported by: pipeline_core.engine, pipeline_core.net,
pipeline_core.recovery, pipeline_core.requirements, warrior.cli, warrior.daemon, warrior.process,
warrior.projects, warrior.settings, warrior.standalone, warrior.web.
"""

from pipeline_core.compat import aliases as _aliases

#: The level of the pipeline API that this package implements. It is also sent to the tracker
#: and to Warrior HQ.
__version__ = "0.10.3"

#: ``'Standalone'`` under run-pipeline, ``'Warrior'`` under run-warrior.
runner_type = "Standalone"

#: Set by the builder of a warrior image; sent in the User-Agent.
warrior_build = ""

_aliases.install()
