"""The warrior as a whole: ``app`` makes the parts and hands them to each other.

The other modules are its states and its end, what it says of itself (``overview``, and the values
of ``view_models``), its log and state directory, the disk watch, and the recovery of items that
earlier runs finished. Only ``cli`` imports ``app``; any room may import the plain values and
functions (``view_models``, ``sentence``, ``item_log``).
"""
