"""Who may command the warrior: the address of its page, and the password it asks for."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warrior.config.config import WarriorOptions
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: Shown on the page and in the log if the operator wants no password.
INSECURE = "Anyone who can reach this address can command this program: it has no password."


class AccessRefused(Exception):
    """Anyone could command this warrior; ``str()`` says what to do."""


@dataclasses.dataclass(frozen=True)
class Access:
    """``address`` is where the page listens ('' is loopback); ``insecure``: anyone who reaches it
    can use it. ``made`` is a new password that has to be shown, or ''."""

    address: str
    insecure: bool = False
    made: str = dataclasses.field(default="", repr=False)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address ('' is loopback)."""
    if address in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def in_container(environment: Mapping[str, str], root: str = "/") -> bool:
    """Whether this is a container that says so."""
    return bool(environment.get("container")) or any(
        os.path.exists(os.path.join(root, path)) for path in (".dockerenv", "run/.containerenv"))


async def settle_access(
    options: WarriorOptions, settings: Settings, *, container: bool
) -> Access:
    """Decide where to listen; make and print a password if one is needed.

    Raises AccessRefused if anyone could command the warrior. In a container the page listens
    everywhere unless the operator sets an address: otherwise nobody outside could reach it, and
    existing images rely on it.
    """
    if options.password_on_command_line:
        logger.warning("Everyone on this machine can see a password on the command line. Put it "
                       "into the configuration file instead.")
    address = options.address or ("0.0.0.0" if container else "")
    exposed = not is_loopback(address) or bool(options.public_url)
    # A password stays, even if the operator allows the page to have none.
    settings.password_needed = exposed
    if options.http_password or settings.password_record:
        return Access(address)
    demanded = exposed and not options.insecure_no_password
    if settings.locked or (demanded and container):
        made = secrets.token_urlsafe(12)
        await settings.lock(made)
        # Not logged: the page shows the log.
        print(f"run-warrior: The page's password is: {made}\n"
              "(User name: any. Change it on the Settings page.)", file=sys.stderr, flush=True)
        return Access(address, made=made)
    if demanded:
        option = "public_url" if options.public_url else "address"
        raise AccessRefused(
            f"Anyone could command this warrior at {options.public_url or address}. Set a password "
            "(http_password in its configuration, or the environment variable "
            f"WARRIOR_HTTP_PASSWORD), remove the {option}, or use --insecure-no-password if "
            "that is what you want.")
    return Access(address, insecure=exposed)
