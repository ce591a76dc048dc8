"""What git says when something is wrong, in words for people."""

from __future__ import annotations

import re
from typing import NamedTuple

from warrior.checkout.versions import AGAIN, CheckoutError


class Cause(NamedTuple):
    """One kind of trouble, and how git words it (in its own language, ``LC_ALL=C``).

    ``perhaps_ours`` says that it may lie in what is on this disk, ``reached`` whether the host
    has answered at all.
    """

    pattern: str
    code: str
    reason: str
    advice: str
    perhaps_ours: bool = False
    reached: bool = True


#: The first that fits counts; {url} and {folder} are filled in.
_CAUSES = (
    Cause(r"No space left on device|Disk quota exceeded", "disk",
          "The disk is full: there is no room for the code from {url}.",
          "Make room on the disk that holds {folder}. " + AGAIN),
    Cause(r"Read-only file system", "disk",
          "The disk that holds {folder} cannot be written to.",
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
          "Let it belong to the user that runs the warrior, or tell git: git config --global "
          "--add safe.directory {url}"),
    Cause(r"could not read (Username|Password)|Authentication failed|terminal prompts disabled"
          r"|unable to get password from user"
          r"|returned error: 40[17]", "git",
          "{url} asks for a name and a password, and the warrior has none.",
          "The repository may have been deleted, renamed or made private. If it is yours, give "
          "git the password (git help credentials). " + AGAIN),
    Cause(r"returned error: 403", "git", "{url} refuses this machine.",
          "It may block the address of this machine. " + AGAIN),
    Cause(r"returned error: 30\d|update url base from redirection", "refused",
          "{url} redirects to another address, and the warrior does not follow that.",
          "If the repository has moved, the project needs its new address. " + AGAIN),
    Cause(r"Permission denied \(|Host key verification failed|Too many authentication failures",
          "git", "{url} does not let this machine in.",
          "Give the user that runs the warrior an ssh key that is known there, and connect "
          "once by hand, to accept the key of the host."),
    Cause(r"Could not resolve|Name or service not known|failure in name resolution"
          r"|nodename nor servname|unable to look up|Unknown host", "git",
          "The host of {url} is not found.",
          "Check the network of this machine, and the address. " + AGAIN, reached=False),
    Cause(r"Failed to connect|Couldn't connect|Connection refused|unable to connect|timed out"
          r"|No route to host|Network is unreachable", "git",
          "{url} cannot be reached.", AGAIN, reached=False),
    Cause(r"Operation too slow", "git", "{url} does not answer.", AGAIN,
          reached=False),
    Cause(r"SSL|TLS|certificate", "git", "There is no safe connection to {url}.",
          "Check the clock of this machine and its certificates (ca-certificates). " + AGAIN),
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
          "Its owner has to repair it. " + AGAIN, perhaps_ours=True),
    Cause(r"returned error: 4(20|29)", "git", "{url} limits how often it may be asked.", AGAIN),
    Cause(r"returned error: 5", "git", "The server of {url} has trouble.", AGAIN),
    Cause(r"early EOF|disconnect|hung up|Connection reset|RPC failed|transfer closed|Empty reply",
          "git", "{url} broke off the connection.", AGAIN),
)


def shown(url: str) -> str:
    """The address without the name and the password that may stand in it."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url, flags=re.IGNORECASE)


def explain(output: str, url: str, folder: str) -> tuple[CheckoutError, bool]:
    """What was wrong, and whether it may have been what lies on this disk."""
    output = output.replace(url, shown(url))[-16_384:]
    for cause in _CAUSES:
        if re.search(cause.pattern, output, re.IGNORECASE):
            reason, advice = (text.format(url=shown(url), folder=folder)
                              for text in (cause.reason, cause.advice))
            return CheckoutError(
                reason, code=cause.code, advice=advice, output=output,
                reached=cause.reached), cause.perhaps_ours
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    last = telling[-1] if telling else "it does not say why"
    return CheckoutError(f"git could not fetch {shown(url)}: {last}", code="git", advice=AGAIN,
                         output=output), True


def no_code(url: str) -> CheckoutError:
    """Something answers there, but it has no code."""
    return CheckoutError(
        f"There is no code at {shown(url)}: the repository is empty, or something else answers "
        "in its place.", code="git",
        advice="If other addresses do not work either, the network may want you to sign in "
               f"first. {AGAIN}")
