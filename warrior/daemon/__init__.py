"""The daemon: ``app`` makes its parts and connects them.

The other modules are its lifecycle and end, what it shows (``overview``, with the values of
``view_models``), its log and state folder, and the disk watch. Only ``cli`` imports ``app``;
other packages import ``view_models``, ``lifecycle`` and ``sentence``. Imported by: warrior.cli,
warrior.projects, warrior.standalone, warrior.web.
"""
