"""Who may command the warrior: where its page listens, and which password it asks for."""

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

#: Said on the page and in the log where the operator wanted no password.
INSECURE = "Anyone who can reach this address can command this program: it has no password."


class AccessRefused(Exception):
    """Anyone could command this warrior; ``str()`` says what to do."""


@dataclasses.dataclass(frozen=True)
class Access:
    """``address`` is where the page listens ('' is loopback), ``insecure`` that everybody may
    use it. ``made`` is a password that was made just now and has to be shown, or ''."""

    address: str
    insecure: bool = False
    made: str = dataclasses.field(default="", repr=False)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address ('' is the default one)."""
    if address in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def in_container(environment: Mapping[str, str], root: str = "/") -> bool:
    """Whether this is a container, as far as containers say so."""
    return bool(environment.get("container")) or any(
        os.path.exists(os.path.join(root, path)) for path in (".dockerenv", "run/.containerenv"))


async def settle_access(
    options: WarriorOptions, settings: Settings, *, container: bool
) -> Access:
    """Where to listen, and the password, which is made and printed where it is needed.

    Raises AccessRefused where everybody could command the warrior. In a container the page
    listens everywhere unless told otherwise: nobody outside could see it else, and the images
    that exist expect it.
    """
    access = await _settle(options, settings, container)
    if access.made:
        # Not into the log file, which the page shows: only to whoever started us.
        print(f"run-warrior: The page's password is: {access.made}\n"
              "(User name: any. Change it on the Settings page.)", file=sys.stderr, flush=True)
    if options.password_on_command_line:
        logger.warning("Everyone on this machine can see a password on the command line. Put it "
                       "into the configuration file instead.")
    return access


async def _settle(options: WarriorOptions, settings: Settings, container: bool) -> Access:
    address = options.address or ("0.0.0.0" if container else "")
    exposed = not is_loopback(address) or bool(options.public_url)
    # One that has a password keeps it, also where the operator would do without.
    settings.password_needed = exposed
    demanded = exposed and not options.insecure_no_password
    has_password = bool(options.http_password or settings.password_record)
    if has_password:
        return Access(address)
    if settings.locked or (demanded and container):
        made = secrets.token_urlsafe(12)
        await settings.lock(made)
        return Access(address, made=made)
    if demanded:
        option = "public_url" if options.public_url else "address"
        raise AccessRefused(
            f"Anyone could command this warrior at {options.public_url or address}. Set a password "
            "(http_password in its configuration, or the environment variable "
            f"WARRIOR_HTTP_PASSWORD), remove the {option}, or use --insecure-no-password if "
            "that is what you want.")
    return Access(address, insecure=exposed)
