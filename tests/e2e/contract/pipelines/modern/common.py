"""Another project has a module of this name, too."""


def escape(name):
    return 'modern ' + name
