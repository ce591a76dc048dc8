"""Translates the error messages of git into sentences for people."""

from __future__ import annotations

import re
from typing import NamedTuple

from warrior.checkout.versions import AGAIN, CheckoutError


class Cause(NamedTuple):
    """One kind of error, and a pattern of git's words for it (with ``LC_ALL=C``).

    ``damaged``: files on this disk may be the cause. ``reached``: the host has answered.
    """

    pattern: str
    code: str
    reason: str
    advice: str
    damaged: bool = False
    reached: bool = True


#: The first one that matches counts; {url} and {folder} are filled in.
_CAUSES = (
    Cause(r"No space left on device|Disk quota exceeded", "disk",
          "The disk is full: there is no room for the code from {url}.",
          "Make room on the disk that holds {folder}. " + AGAIN),
    Cause(r"Read-only file system", "disk",
          "The disk that holds {folder} is read-only.",
          "Make it writable. " + AGAIN),
    Cause(r"Cannot allocate memory|unable to create thread|Resource temporarily unavailable"
          r"|Too many open files|Out of memory", "git",
          "This machine has no memory or processes left for git.", AGAIN),
    Cause(r"transport '.*' not allowed|Unable to find remote helper|strange (path|host)name"
          r"|is not a valid remote", "refused",
          "{url} is not an address that git may use here.",
          "Use an address that begins with https://, http://, git:// or ssh://."),
    Cause(r"dubious ownership", "refused",
          "The repository {url} belongs to another user, and git does not trust it.",
          "Give it to the user that runs the warrior, or run: git config --global "
          "--add safe.directory {url}"),
    Cause(r"could not read (Username|Password)|Authentication failed|terminal prompts disabled"
          r"|unable to get password from user"
          r"|returned error: 40[17]", "git",
          "{url} requires a user name and a password, and the warrior has none.",
          "The repository may have been deleted, renamed or made private. If it is yours, give "
          "git the password (git help credentials). " + AGAIN),
    Cause(r"returned error: 403", "git", "{url} refuses this machine.",
          "It may block the address of this machine. " + AGAIN),
    Cause(r"returned error: 30\d|update url base from redirection", "refused",
          "{url} redirects to another address, and the warrior does not follow that.",
          "If the repository has moved, the project needs its new address. " + AGAIN),
    Cause(r"Permission denied \(|Host key verification failed|Too many authentication failures",
          "git", "{url} refuses the ssh login of this machine.",
          "Give the user that runs the warrior an ssh key that is known there, and connect "
          "once by hand to accept the key of the host."),
    Cause(r"Could not resolve|Name or service not known|failure in name resolution"
          r"|nodename nor servname|unable to look up|Unknown host", "git",
          "The host of {url} cannot be found.",
          "Check the network of this machine and the address. " + AGAIN, reached=False),
    Cause(r"Failed to connect|Couldn't connect|Connection refused|unable to connect|timed out"
          r"|No route to host|Network is unreachable", "git",
          "{url} cannot be reached.", AGAIN, reached=False),
    Cause(r"Operation too slow", "git", "{url} does not answer.", AGAIN,
          reached=False),
    Cause(r"SSL|TLS|certificate", "git", "There is no secure connection to {url}.",
          "Check the clock and the certificates (ca-certificates) of this machine. " + AGAIN),
    Cause(r"' not found|does not appear to be a git repository|repository not exported"
          r"|is this a git repository|does not exist|returned error: (404|410)"
          r"|Repository not found", "git",
          "There is no git repository at {url}.",
          "It may have been deleted, renamed or made private. " + AGAIN),
    Cause(r"corrupt|bad object|bad tree|bad pack|inflate|did not send all necessary objects"
          r"|missing (blob|tree|commit)|hash mismatch|unable to read (tree|sha1|[0-9a-f]{40})"
          r"|unable to parse commit|not our ref|index-pack failed|Could not read [0-9a-f]{40}"
          r"|unable to find [0-9a-f]{40}|Unable to find .* under|checkout failed"
          r"|expected 'packfile'", "git",
          "The repository at {url} is damaged.",
          "Its owner has to repair it. " + AGAIN, damaged=True),
    Cause(r"returned error: 4(20|29)", "git", "{url} limits how often it may be asked.", AGAIN),
    Cause(r"returned error: 5", "git", "The server of {url} has trouble.", AGAIN),
    Cause(r"early EOF|disconnect|hung up|Connection reset|RPC failed|transfer closed|Empty reply",
          "git", "{url} broke off the connection.", AGAIN),
)


def shown(url: str) -> str:
    """Return the address without a user name and password."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url, flags=re.IGNORECASE)


def explain(output: str, url: str, folder: str) -> CheckoutError:
    """Return the error that git's output describes."""
    output = output.replace(url, shown(url))[-16_384:]
    for cause in _CAUSES:
        if re.search(cause.pattern, output, re.IGNORECASE):
            reason, advice = (text.format(url=shown(url), folder=folder)
                              for text in (cause.reason, cause.advice))
            return CheckoutError(
                reason, code=cause.code, advice=advice, output=output, reached=cause.reached,
                damaged=cause.damaged)
    last = (error_lines(output) or ["it does not say why"])[-1]
    return CheckoutError(f"git could not fetch {shown(url)}: {last}", code="git", advice=AGAIN,
                         output=output, damaged=True)


def error_lines(output: str) -> list[str]:
    """Return the lines in which git names the error; all lines if it names none."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return [line for line in lines if line.startswith(("fatal:", "error:"))] or lines


def no_code(url: str) -> CheckoutError:
    """Return the error for an address that answers but has no code."""
    return CheckoutError(
        f"There is no code at {shown(url)}: the repository is empty, or something else answers "
        "in its place.", code="git",
        advice="If other addresses do not work either, the network may require you to sign in "
               f"first. {AGAIN}")
