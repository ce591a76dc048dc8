"""What open pages are told, as it happens: :class:`Hub` and, behind it, the sockets."""

from warrior.web.live.hub import Hub

__all__ = ["Hub"]
