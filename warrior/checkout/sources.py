"""The source of a project's code: a git repository or a plain folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from warrior.checkout.git import Git, Head, is_remote, is_repository, is_scp_like
from warrior.checkout.git_messages import shown
from warrior.checkout.tree import FolderTooLarge, copy_tree, digest_tree
from warrior.checkout.versions import AGAIN, CheckoutError
from warrior.process.threads import in_thread
from warrior.projects.entry import Entry


class GitSource:
    """A repository; ``local``: on a disk of this machine. Its methods raise CheckoutError."""

    def __init__(self, git: Git, url: str, local: bool = False) -> None:
        self._git = git
        self.repository = url
        #: The address of a repository on another machine, else ''.
        self.remote = "" if local else url
        self._head = Head("", "")

    async def look(self, folder: str) -> str:
        """Return the newest commit; git runs in ``folder``."""
        self._head = await self._git.look(self.repository, folder, local=not self.remote)
        return self._head.commit

    async def fetch(self, target: str, reference: str, on_output: Callable[[str], object]) -> str:
        """Fetch the code to ``target``, which must not exist; return its commit.

        ``reference`` is the path of an older version, or ''.
        """
        on_output(f"Fetching the code from {shown(self.repository)}.\n")
        if not await in_thread(os.path.isdir, os.path.join(reference, ".git")):
            reference = ""
        return await self._git.clone(
            self.repository, self._head, target, reference=reference, on_output=on_output,
            local=not self.remote)


class FolderSource:
    """A folder that is copied. It has the methods of GitSource; a digest stands for the commit."""

    remote = ""

    def __init__(self, path: str) -> None:
        self.repository = path
        self._digest = ""

    async def look(self, folder: str) -> str:
        self._digest = await self._digested(self.repository)
        return self._digest

    async def fetch(self, target: str, reference: str, on_output: Callable[[str], object]) -> str:
        on_output(f"Copying {self.repository} (excluding its data folder).\n")
        await in_thread(copy_tree, self.repository, target)
        if await self._digested(target) != self._digest:
            raise CheckoutError(f"{self.repository} changed while it was copied.", code="git",
                                advice=AGAIN)
        return self._digest

    async def _digested(self, path: str) -> str:
        try:
            return await in_thread(digest_tree, path)
        except FolderTooLarge as error:
            raise CheckoutError(
                f"{self.repository} is too large to be copied as a project.", code="refused",
                advice="Name a folder that holds pipeline.py and only what belongs to the project."
            ) from error
        except OSError as error:
            raise CheckoutError(
                f"{error.filename or path} cannot be read: {error.strerror}.", code="refused",
                advice="Let the user that runs the warrior read everything in "
                       f"{self.repository}.") from error


Source = GitSource | FolderSource


def source_of(entry: Entry, git: Git) -> Source:
    """Return the source that ``entry.repository`` names. Blocks briefly; raises CheckoutError.

    Warrior HQ may only name addresses; an operator may also name folders of this machine. A
    shipped project is a folder.
    """
    text = entry.repository
    if entry.source == "shipped":
        return FolderSource(os.path.abspath(text))
    if re.search(r"[\x00-\x20\x7f]", text) is None and is_remote(text):
        return GitSource(git, text)
    if entry.source == "operator":
        source = _operators(text, git)
        if source is not None:
            return source
        advice = ("Use an address that begins with https://, http://, git:// or ssh://, or the "
                  "path of a folder on this machine.")
        if "://" not in text and "::" not in text and not text.startswith("-"):
            raise CheckoutError(f"There is no folder {text}.", code="refused", advice=advice)
    else:
        advice = "Warrior HQ has to name one that begins with https://, http://, git:// or ssh://."
    raise CheckoutError(f"{shown(text)!r} is not an address that code can be fetched from.",
                        code="refused", advice=advice)


def _operators(text: str, git: Git) -> Source | None:
    if text.startswith("-") or "\0" in text or not text:
        return None
    if text.lower().startswith("file://"):
        return GitSource(git, text, local=True)
    path = os.path.abspath(os.path.expanduser(text))
    if os.path.isdir(path):
        return GitSource(git, path, local=True) if is_repository(path) else FolderSource(path)
    return GitSource(git, text) if is_scp_like(text) else None
