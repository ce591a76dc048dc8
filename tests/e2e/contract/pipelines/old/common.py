"""Another project has a module of this name, too."""
import re


def escape(name):
    return re.sub(r"[^a-zA-Z0-9]", "_", name)
