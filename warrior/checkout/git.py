"""Runs git without prompts and hooks, and with a time limit."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence

from pipeline_core.engine.child import RESOURCE_ERRORS, Children
from pipeline_core.net.http import DEADLINE
from warrior.checkout.git_address import Address, locate
from warrior.checkout.git_messages import explain, no_code, shown
from warrior.checkout.tree import remove_tree
from warrior.checkout.versions import AGAIN, CheckoutError
from warrior.process.program import ProgramResult, clean_environment, run_program
from warrior.process.threads import in_thread

#: The protocols that Warrior HQ may name; an operator may also name a local path.
REMOTE_PROTOCOLS = ("https", "http", "git", "ssh")

#: Seconds within which a remote has to tell its newest commit.
LOOK_TIMEOUT = 120.0

_OPTIONS = (
    "core.hooksPath=/dev/null", "submodule.recurse=false", "advice.detachedHead=false",
    "credential.interactive=false",
    # No jobs in the background.
    "gc.auto=0", "maintenance.auto=false",
    # Give up on a remote that has been silent for a minute.
    "http.lowSpeedLimit=1", "http.lowSpeedTime=60",
)
#: For addresses that come from others: our own client has already followed the redirects
#: (git_address), and no list of alternates leads elsewhere.
_FOLLOW_NOTHING = ("-c", "http.followRedirects=false")
#: For a checkout of the user's own. The user chose its remote, and git may have credentials that
#: our client lacks, so git's own rule applies: only the first answer may redirect.
_FOLLOW_FIRST = ("-c", "http.followRedirects=initial")

_REMOTE = re.compile(r"(?:https?|git|ssh)://[^\s/]\S*", re.IGNORECASE)
_SCP_LIKE = re.compile(r"[^-/:\s][^/:\s]*:[^:\s]\S*")
#: git decodes these, so they could add a line to a request or to a question for a password.
_HIDDEN_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_OPTION_AS_HOST = re.compile(r"[a-z+]+://(?:[^/@]*@)?-", re.IGNORECASE)
_COMMIT = "[0-9a-f]{40}(?:[0-9a-f]{24})?"


@dataclasses.dataclass(frozen=True)
class Head:
    """The newest commit of a remote, and its branch ('' if it has no name)."""

    commit: str
    branch: str


@dataclasses.dataclass(frozen=True)
class _Run:
    """How git is run for the repository at ``url``: in which folder, with which time limit.

    Errors name ``place``; ``late`` says what did not happen in time.
    """

    url: str
    folder: str
    place: str
    local: bool
    timeout: float
    late: str

    def too_late(self, timeout: float, output: str = "") -> CheckoutError:
        time = f"{timeout:g} seconds" if timeout < 120 else f"{timeout / 60:.0f} minutes"
        return CheckoutError(f"{shown(self.url)} {self.late.format(time)}.", code="git",
                             advice=AGAIN, output=output, reached=False)


def is_remote(text: str) -> bool:
    """Return whether the text is an address with one of the REMOTE_PROTOCOLS."""
    return (bool(_REMOTE.fullmatch(text)) and not _OPTION_AS_HOST.match(text)
            and not _HIDDEN_CONTROL.search(text))


def is_scp_like(text: str) -> bool:
    """Return whether the text is ``host:path``, the short form of an ssh address."""
    return bool(_SCP_LIKE.fullmatch(text))


def is_repository(path: str) -> bool:
    """Return whether the folder is a git repository, bare or not. Blocks briefly."""
    return os.path.exists(os.path.join(path, ".git")) or (
        os.path.isfile(os.path.join(path, "HEAD"))
        and all(os.path.isdir(os.path.join(path, name)) for name in ("objects", "refs")))


class Git:
    """Runs git. Every method raises CheckoutError."""

    def __init__(
        self, children: Children, *, timeout: float, environment: Mapping[str, str]
    ) -> None:
        """``timeout`` (seconds) is the limit for one run of git."""
        self._children = children
        self._timeout = timeout
        self._environment = environment

    async def look(self, url: str, folder: str, *, local: bool = False) -> Head:
        """Return the remote's default branch and its commit; fetch nothing.

        git runs in ``folder``; ``local`` allows an address on this machine's disk.
        """
        timeout = min(self._timeout, LOOK_TIMEOUT)
        run = _Run(url, folder, folder, local, timeout, "did not answer within {}")
        address = await self._locate(run)
        ask = [*address.options, "ls-remote"]
        output = await self._succeed(run, [*ask, "--symref", "--", address.url, "HEAD"], address)
        commit = re.search(rf"^({_COMMIT})\tHEAD$", output, re.MULTILINE)
        branch = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", output, re.MULTILINE)
        if commit:
            return Head(commit[1], branch[1] if branch else "")
        # The default branch was renamed, and the remote's HEAD still names the old one.
        output = await self._succeed(run, [*ask, "--", address.url, "refs/heads/*"], address)
        branches = {name: commit for commit, name in re.findall(
            rf"^({_COMMIT})\trefs/heads/(\S+)$", output, re.MULTILINE)}
        for name in [*branches] if len(branches) == 1 else ["main", "master"]:
            if name in branches:
                return Head(branches[name], name)
        if not branches:
            raise no_code(url)
        raise CheckoutError(
            f"The repository at {shown(url)} has no default branch.",
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
        """Clone the remote's branch to ``target``; return the commit that is checked out.

        ``reference`` is an older clone ('' for none): what it holds is not fetched again. The
        new clone does not depend on it afterwards.
        """
        known = ["--reference-if-able", reference, "--dissociate"] if reference else []
        branch = ["--branch", head.branch] if head.branch else []
        folder = os.path.dirname(target)
        run = _Run(url, folder, target, local, self._timeout, "could not be fetched within {}")
        address = await self._locate(run)
        try:
            await self._succeed(run, [
                *address.options, "clone", "--progress", "--origin", "origin", "--template=",
                "--no-local", "--single-branch", "--no-tags", "--no-recurse-submodules", *known,
                *branch, "--", address.url, target], address, on_output)
            run = _Run(url, folder, target, local, LOOK_TIMEOUT, "could not be checked")
            if address.url != url:
                # Submodules may have addresses relative to the original one.
                await self._succeed(
                    run, ["-C", target, "config", "remote.origin.url", url], address)
            output = await self._succeed(
                run, ["-C", target, "rev-parse", "--verify", "HEAD^{commit}"], address)
        except CheckoutError as error:
            if not (error.damaged and reference):
                raise
            on_output(f"{error} Fetching all of it again.\n")
            await in_thread(remove_tree, target)
            return await self.clone(url, head, target, on_output=on_output, local=local)
        found = re.search(rf"^({_COMMIT})$", output, re.MULTILINE)
        if found is None:
            raise explain(output, url, target)
        return found[1]

    async def run(
        self, folder: str, *arguments: str, timeout: float = LOOK_TIMEOUT
    ) -> ProgramResult:
        """Run git in a repository of the user's own, whose remotes may be anywhere.

        The caller checks the result. Raises CheckoutError if git cannot be started.
        """
        return await self._run(arguments, folder, timeout, True, follow=_FOLLOW_FIRST)

    async def _locate(self, run: _Run) -> Address:
        """Return where git finds the repository."""
        if not run.url.lower().startswith(("http://", "https://")):
            return Address(run.url)
        # The user may have configured git to use another address instead (insteadOf).
        output = await self._succeed(run, ["ls-remote", "--get-url", "--", run.url])
        there = output.strip().rpartition("\n")[2] or run.url
        timeout = min(run.timeout, DEADLINE)
        try:
            return await locate(there, run.folder, self._environment, timeout)
        except TimeoutError:
            raise run.too_late(timeout) from None

    async def _succeed(
        self, run: _Run, arguments: Sequence[str], address: Address | None = None,
        on_output: Callable[[str], object] | None = None,
    ) -> str:
        """Run git and return its output. Raises CheckoutError if it fails."""
        ended = await self._run(arguments, run.folder, run.timeout, run.local, on_output)
        output = ended.output
        if address is not None:
            output = output.replace(address.url, shown(address.url))
        if ended.timed_out:
            raise run.too_late(run.timeout, output)
        if ended.returncode != 0:
            raise explain(output, run.url, run.place)
        return ended.output

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
        # Its messages are parsed, so they must be English. A repository around ours is ignored.
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
