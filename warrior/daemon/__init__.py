"""The daemon: ``app`` makes its parts and connects them.

The other modules are its lifecycle and end, what it shows (``overview``, with the values of
``view_models``), its log and state folder, and the disk watch. Only ``cli`` imports ``app``; other
rooms import its values and sentences (``view_models``, ``lifecycle``, ``sentence``), and ``web``
also the facade's type.
"""
