"""git, as the warrior uses it: it asks nothing, runs no hooks, and has a time limit."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence

from pipeline_core.engine.child import RESOURCE_ERRORS, Children
from pipeline_core.net.http import DEADLINE
from warrior.checkout.git_address import Address, NoAnswerInTime, locate
from warrior.checkout.git_messages import explain, no_code, shown
from warrior.checkout.tree import remove_tree
from warrior.checkout.versions import AGAIN, CheckoutError
from warrior.process.program import ProgramResult, clean_environment, run_program
from warrior.process.threads import in_thread

#: Kinds of addresses that Warrior HQ may name; an operator's may also be a local path.
REMOTE_PROTOCOLS = ("https", "http", "git", "ssh")

#: Seconds within which a remote has to say what its newest commit is.
LOOK_TIMEOUT = 120.0

_OPTIONS = (
    "core.hooksPath=/dev/null", "submodule.recurse=false", "advice.detachedHead=false",
    "credential.interactive=false",
    # Nothing goes on in the background.
    "gc.auto=0", "maintenance.auto=false",
    # A remote that has gone silent is noticed after a minute.
    "http.lowSpeedLimit=1", "http.lowSpeedTime=60",
)
#: Where the address comes from others: our own client has followed its redirects already
#: (gitaddress), and no list of alternates leads elsewhere.
_FOLLOW_NOTHING = ("-c", "http.followRedirects=false")
#: In a checkout of the user's own. He chose its remote, for which git may have credentials that
#: our client has not: git's own rule stays, by which only the first answer may lead elsewhere.
_FOLLOW_FIRST = ("-c", "http.followRedirects=initial")

#: What a remote did that does not answer, with the time that it had.
_MUTE = "did not answer within {}"
_UNFETCHED = "could not be fetched within {}"
_REMOTE = re.compile(r"(?:https?|git|ssh)://[^\s/]\S*", re.IGNORECASE)
_SCP_LIKE = re.compile(r"[^-/:\s][^/:\s]*:[^:\s]\S*")
#: git decodes it, and would send a line of its own to the server or to who keeps passwords.
_HIDDEN_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_OPTION_AS_HOST = re.compile(r"[a-z+]+://(?:[^/@]*@)?-", re.IGNORECASE)
_COMMIT = "[0-9a-f]{40}(?:[0-9a-f]{24})?"


@dataclasses.dataclass(frozen=True)
class Head:
    """The newest commit of a remote, and its branch ('' where it has no name)."""

    commit: str
    branch: str


def is_remote(text: str) -> bool:
    """Whether it is an address of a kind in REMOTE_PROTOCOLS."""
    return (bool(_REMOTE.fullmatch(text)) and not _OPTION_AS_HOST.match(text)
            and not _HIDDEN_CONTROL.search(text))


def is_scp_like(text: str) -> bool:
    """Whether it is ``host:path``, as ssh repositories are also written."""
    return bool(_SCP_LIKE.fullmatch(text))


def is_repository(path: str) -> bool:
    """Whether the folder is a git repository, bare or with its files. Blocks shortly."""
    return os.path.exists(os.path.join(path, ".git")) or (
        os.path.isfile(os.path.join(path, "HEAD"))
        and all(os.path.isdir(os.path.join(path, name)) for name in ("objects", "refs")))


class Git:
    """Runs git for one folder of checkouts; every method raises CheckoutError."""

    def __init__(
        self, children: Children, *, timeout: float, environment: Mapping[str, str]
    ) -> None:
        """``timeout`` is in seconds, for one run of git."""
        self._children = children
        self._timeout = timeout
        self._environment = environment

    async def look(self, url: str, folder: str, *, local: bool = False) -> Head:
        """What the remote's default branch is, and its commit; nothing is fetched.

        git runs in ``folder``; ``local`` allows an address on this machine's disk.
        """
        address = await self._locate(url, folder, local, min(self._timeout, LOOK_TIMEOUT), _MUTE)
        output = await self._ask(url, address, folder, local, "HEAD", "--symref")
        commit = re.search(rf"^({_COMMIT})\tHEAD$", output, re.MULTILINE)
        branch = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", output, re.MULTILINE)
        if commit:
            return Head(commit[1], branch[1] if branch else "")
        # The default branch has been renamed, and the remote's HEAD still names the old one.
        output = await self._ask(url, address, folder, local, "refs/heads/*")
        branches = {name: commit for commit, name in re.findall(
            rf"^({_COMMIT})\trefs/heads/(\S+)$", output, re.MULTILINE)}
        for name in [*branches] if len(branches) == 1 else ["main", "master"]:
            if name in branches:
                return Head(branches[name], name)
        if not branches:
            raise no_code(url)
        raise CheckoutError(
            f"The repository at {shown(url)} does not say which of its branches counts.",
            code="git", advice="Its owner has to set the default branch.")

    async def clone(
        self,
        url: str,
        head: Head,
        target: str,
        *,
        reference: str = "",
        on_output: Callable[[str], object],
        local: bool = False,
    ) -> str:
        """Clone the remote's branch to ``target``; the commit that is checked out there.

        ``reference`` is an older clone: what it has is not fetched again. The new
        one does not depend on it afterwards.
        """
        known = ["--reference-if-able", reference, "--dissociate"] if reference else []
        branch = ["--branch", head.branch] if head.branch else []
        folder = os.path.dirname(target)
        try:
            address = await self._locate(url, folder, local, self._timeout, _UNFETCHED)
            ended = await self._run(
                [*address.options, "clone", "--progress", "--origin", "origin", "--template=",
                 "--no-local", "--single-branch", "--no-tags", "--no-recurse-submodules", *known,
                 *branch, "--", address.url, target],
                folder, self._timeout, local, on_output)
            self._check(ended, url, target, _UNFETCHED.format(_time(self._timeout)), address)
            if address.url != url:
                # Submodules of the project may have addresses relative to the one on offer.
                await self._run(["-C", target, "config", "remote.origin.url", url],
                                folder, LOOK_TIMEOUT, local)
            ended = await self._run(["-C", target, "rev-parse", "--verify", "HEAD^{commit}"],
                                    folder, LOOK_TIMEOUT, local)
            self._check(ended, url, target, "could not be checked")
        except _Damaged as trouble:
            if not reference:
                raise trouble.error from None
            on_output(f"{trouble.error} Fetching all of it again.\n")
            await in_thread(remove_tree, target)
            return await self.clone(url, head, target, on_output=on_output, local=local)
        found = re.search(rf"^({_COMMIT})$", ended.output, re.MULTILINE)
        if found is None:
            raise explain(ended.output, url, target)[0]
        return found[1]

    async def run(
        self, folder: str, *arguments: str, timeout: float = LOOK_TIMEOUT
    ) -> ProgramResult:
        """Run git in a repository of the user's own, whose remotes may be anywhere.

        How it ended is the caller's to look at. Raises CheckoutError when it cannot be started.
        """
        return await self._run(arguments, folder, timeout, True, follow=_FOLLOW_FIRST)

    async def _locate(
        self, url: str, folder: str, local: bool, timeout: float, late: str
    ) -> Address:
        """Where git finds the repository; ``late`` says what it means when nobody answers."""
        if not url.lower().startswith(("http://", "https://")):
            return Address(url)
        # A user may have told git to go to another place instead of this one.
        ended = await self._run(["ls-remote", "--get-url", "--", url], folder, timeout, local)
        try:
            self._check(ended, url, folder, late.format(_time(timeout)))
        except _Damaged as trouble:
            raise trouble.error from None
        there = ended.output.strip().rpartition("\n")[2] or url
        timeout = min(timeout, DEADLINE)
        try:
            return await locate(there, folder, self._environment, timeout)
        except NoAnswerInTime:
            raise CheckoutError(f"{shown(url)} {late.format(_time(timeout))}.", code="git",
                                advice=AGAIN, reached=False) from None

    async def _ask(
        self, url: str, address: Address, folder: str, local: bool, pattern: str, *options: str
    ) -> str:
        timeout = min(self._timeout, LOOK_TIMEOUT)
        ended = await self._run(
            [*address.options, "ls-remote", *options, "--", address.url, pattern],
            folder, timeout, local)
        try:
            self._check(ended, url, folder, _MUTE.format(_time(timeout)), address)
        except _Damaged as trouble:
            raise trouble.error from None
        return ended.output

    def _check(
        self, ended: ProgramResult, url: str, folder: str, late: str, address: Address | None = None
    ) -> None:
        output = ended.output
        if address is not None:
            output = output.replace(address.url, shown(address.url))
        if ended.timed_out:
            raise CheckoutError(f"{shown(url)} {late}.", code="git",
                                advice=AGAIN, output=output,
                                reached=False)
        if ended.returncode != 0:
            error, perhaps_ours = explain(output, url, folder)
            raise _Damaged(error) if perhaps_ours else error

    async def _run(
        self,
        arguments: Sequence[str],
        folder: str,
        timeout: float,
        local: bool,
        on_output: Callable[[str], object] | None = None,
        follow: Sequence[str] = _FOLLOW_NOTHING,
    ) -> ProgramResult:
        protocols = (*REMOTE_PROTOCOLS, "file") if local else REMOTE_PROTOCOLS
        env = clean_environment(self._environment)
        # The words that git uses are looked at; and no repository around ours counts.
        env.update(LC_ALL="C", LANGUAGE="", GIT_ALLOW_PROTOCOL=":".join(protocols),
                   GIT_CEILING_DIRECTORIES=os.path.dirname(folder))
        options = [word for option in _OPTIONS for word in ("-c", option)]
        try:
            return await run_program(
                self._children, ["git", *options, *follow, *arguments], env=env, cwd=folder,
                timeout=timeout, on_output=on_output)
        except OSError as error:
            if error.errno in RESOURCE_ERRORS:
                raise CheckoutError(
                    f"git cannot be started now: {error.strerror}.", code="git",
                    advice=AGAIN) from error
            raise CheckoutError(
                f"git cannot be started: {error.strerror}.", code="git",
                advice="Install git, for example with: sudo apt-get install git") from error


class _Damaged(Exception):
    """It may be what lies on this disk that is wrong."""

    def __init__(self, error: CheckoutError) -> None:
        super().__init__(str(error))
        self.error = error


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:.0f} minutes"
