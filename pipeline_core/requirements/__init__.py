"""What a pipeline file needs of this machine (programs, modules of Python), which of it is
missing, and how to install it. It reads sources without running them. ``engine.loader`` and
the daemon may import it.
"""
