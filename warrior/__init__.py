"""The daemon, the command lines and the console.

Imported by: warrior.cli, warrior.daemon, warrior.process, warrior.standalone, warrior.web.
"""

#: The version of this program. The level of the pipeline API that it implements is
#: ``pipeline_core.__version__``.
__version__ = "1.0.0.dev0"
