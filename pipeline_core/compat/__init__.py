"""What makes old files run on new Pythons: the names ``seesaw`` and ``distutils``, a project's
own imports, what Python 2 had, and which ways of the contract are old or new. It imports
nothing else of ours; ``engine``, ``requirements`` and the command lines may import it.
"""
