"""What the tracker remembers, as one object.

Its public methods are all that the rest of the tracker knows of the store. Each runs inside the
caller's transaction (see ``threads``), which keeps all of its changes or none, unless it says
otherwise. Times are seconds of ``time.time()``.
"""

from __future__ import annotations

from tracker.store.access import Access
from tracker.store.claims import Claims
from tracker.store.projects import Projects
from tracker.store.reading import Reading
from tracker.store.targets import Targets


class Store(Projects, Claims, Access, Targets, Reading):
    """The tracker's tables, on one connection that one thread uses."""
