"""Where a repository is: asked once by our own client, so that git follows no redirect.

git would follow its host's redirect to any address, also to this machine and to the network at
home. Our client follows it as it follows those of Warrior HQ (``pipeline_core.net.http``), and git
gets the address at the end, with the IP address that answered there.
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping
from urllib.parse import urldefrag, urlsplit

from tornado import httpclient
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

from pipeline_core.net.backoff import parse_retry_after
from pipeline_core.net.http import LONGEST_REASON, Limits, RedirectRefused, find, user_agent
from warrior.checkout.git_messages import explain, no_code, shown
from warrior.checkout.versions import CheckoutError

#: As git asks. With the second version of its protocol the answer is short.
_HEADERS = {"Accept": "*/*", "Git-Protocol": "version=2",
            "Pragma": "no-cache"}
#: Where git reads which proxy it has to use.
_PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclasses.dataclass(frozen=True)
class Address:
    """What git is given: ``url``, and ``options`` for its command line (``-c`` words)."""

    url: str
    options: tuple[str, ...] = ()


class NoAnswerInTime(Exception):
    """There was no answer in time."""


async def locate(
    url: str, folder: str, environment: Mapping[str, str], timeout: float
) -> Address:
    """Where the repository at an HTTP address is now; every other address stays as it is.

    ``folder`` is for the sentences. Waits ``timeout`` seconds at most; raises NoAnswerInTime, and
    CheckoutError where git would find nothing either.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ("http", "https") or any(environment.get(name) for name in _PROXIES):
        # What lies behind a proxy is the proxy's affair.
        return Address(url)
    tail = f"info/refs{'&' if '?' in url else '?'}service=git-upload-pack"
    limits = Limits(deadline=timeout, stay_secure=True)
    found = await find(url + ("" if url.endswith("/") else "/") + tail,
                       {**_HEADERS, "User-Agent": f"git/2 ({user_agent()})"}, limits)
    error = found.response.error
    if isinstance(error, RedirectRefused):
        raise _refused(url, str(error))
    if isinstance(error, HTTPTimeoutError):
        raise NoAnswerInTime
    if _is_about_certificates(error):
        # Which ones git believes may have been set for git alone.
        return Address(url)
    # With a 401, git looks whether it has a password for that address.
    if found.response.code not in (200, 401):
        trouble = explain(f"fatal: unable to access '{url}/': {_reason(found.response)}",
                          url, folder)[0]
        trouble.silence = parse_retry_after(found.response.headers.get("Retry-After"))
        raise trouble
    there = urldefrag(found.url).url
    if not there.endswith(tail):
        raise _refused(url, f"it redirects to {shown(there)}, which is no repository")
    if found.response.headers.get("Content-Type", "").startswith("text/html"):
        # A page, perhaps of a network that wants a login: git would ask it four times more.
        raise no_code(url)
    moved = there.removesuffix(tail)
    return Address(url if moved.rstrip("/") == url.rstrip("/") else moved.rstrip("/"),
                   _pin(found.url, found.address))


def _pin(url: str, address: str) -> tuple[str, ...]:
    """Lets git (2.37 and newer; others ignore it) connect to the address that was checked, and
    not to what the DNS says the next time."""
    if not address or "%" in address:
        return ()
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    place = f"[{address}]" if ":" in address else address
    return ("-c", f"http.curloptResolve=*:{port}:{place}")


def _is_about_certificates(error: BaseException | None) -> bool:
    return isinstance(error, ssl.SSLError) or isinstance(
        getattr(error, "real_error", None), ssl.SSLError)


def _reason(response: httpclient.HTTPResponse) -> str:
    """What happened, as git words it."""
    if response.code != 599:
        return f"The requested URL returned error: {response.code}"
    if isinstance(response.error, HTTPStreamClosedError):
        return "The remote end hung up"
    return " ".join(str(response.error).split())[:LONGEST_REASON]


def _refused(url: str, why: str) -> CheckoutError:
    return CheckoutError(
        f"Nothing is fetched from {shown(url)}: {why[:LONGEST_REASON]}.", code="refused",
        advice="If the repository has moved, whoever offers the project has to name its new "
               "address.")
