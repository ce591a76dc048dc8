"""What open pages are told: :class:`Hub` and, behind it, the sockets. Imported by: warrior.web."""

from warrior.web.live.hub import Hub

__all__ = ["Hub"]
