"""The errors that the tracker's rooms raise; only the handlers turn them into HTTP."""

from __future__ import annotations


class TrackerError(Exception):
    """Something the caller can be told in one sentence (``str(error)``)."""


class BadValue(TrackerError):
    """A name, address or body that can never be accepted."""


class UnknownProject(TrackerError):
    """The project was never given an item here."""


class UnknownEntry(TrackerError):
    """There is no such block, upload target or key."""


class AlreadyThere(TrackerError):
    """What was to be made is there already."""


class UnknownItem(TrackerError):
    """The project has no item of that name."""


class Refused(TrackerError):
    """A client is sent away: an HTTP *status*, and seconds to wait where that is known."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


class StoreTrouble(TrackerError):
    """The database could not be read or written just now; nothing was changed."""


class FolderUnusable(TrackerError):
    """The data folder cannot be used: not writable, locked, or not one of ours."""


class NewerDatabase(FolderUnusable):
    """The database was written by a newer tracker than this one."""


class BackupFailed(TrackerError):
    """The database could not be copied; what stood at the target stands there still."""


class CannotListen(TrackerError):
    """The address and port cannot be had."""


class FileTooLarge(TrackerError):
    """An upload is over the operator's limit."""


class DiskFull(TrackerError):
    """There is no room for an upload."""
