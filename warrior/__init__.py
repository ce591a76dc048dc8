"""The daemon, the command lines and the console."""

#: The version of this program. The level of the pipeline API that it implements is
#: ``pipeline_core.__version__``.
__version__ = "1.0.0.dev0"
