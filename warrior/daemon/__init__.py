"""The warrior as a whole: ``app`` makes the parts and hands them to each other.

The other modules are its states and its end, what it says of itself (``overview``, and the values
of ``view_models``), its log and state directory, and the disk watch. Only ``cli`` imports
``app``; other rooms import its values and sentences (``view_models``, ``lifecycle``,
``sentence``), ``web`` also the facade's type.
"""
