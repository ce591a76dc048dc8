"""The errors that the tracker raises, with the HTTP status and the exit status of each."""

from __future__ import annotations

import os


class TrackerError(Exception):
    """An error that one sentence (``str(error)``) explains to the caller."""

    status = 500
    exit_status = os.EX_USAGE


class BadValue(TrackerError):
    """A name, address or body can never be accepted."""

    status = 400


class UnknownProject(TrackerError):
    """There is no such project."""

    # Clients read 404 as "no items now" and ask again. This is their mistake, and waiting does
    # not correct it.
    status = 400


class UnknownEntry(TrackerError):
    """There is no such block, upload target or key."""

    status = 404


class AlreadyExists(TrackerError):
    """An entry of that name exists already."""

    status = 409


class UnknownItem(TrackerError):
    """The project has no item of that name."""

    status = 409


class Refusal(TrackerError):
    """A request is refused with *status*; *retry_after*, if known, is in seconds."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


class NotAdmitted(Refusal):
    """The operator's settings refuse the client: it is blocked, outdated, or asks too often."""


class StoreUnavailable(TrackerError):
    """The database or the disk could not be read or written just now; nothing was changed."""

    status = 503
    exit_status = os.EX_TEMPFAIL


class FolderUnusable(TrackerError):
    """The data folder is not writable, is locked, or belongs to another program."""

    exit_status = os.EX_CANTCREAT


class NewerDatabase(FolderUnusable):
    """The database was written by a newer version of the tracker."""

    exit_status = os.EX_CONFIG


class BackupFailed(TrackerError):
    """The database could not be copied; an earlier file at the target is unchanged."""

    exit_status = os.EX_CANTCREAT


class CannotListen(TrackerError):
    """The server cannot listen at the address and port."""

    exit_status = os.EX_UNAVAILABLE
