"""Finds where a repository is, so that git itself follows no redirect.

git would follow its host's redirect to any address, including this machine and the home network.
Our own client (``pipeline_core.net.http``) follows the redirects within its rules; git then gets
the final address, with the IP address that answered there.
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

#: The headers of a request by git. Version 2 of its protocol has a short answer.
_HEADERS = {"Accept": "*/*", "Git-Protocol": "version=2", "Pragma": "no-cache"}
#: The variables that tell git to use a proxy.
_PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclasses.dataclass(frozen=True)
class Address:
    """What git gets: ``url``, and ``options`` (``-c`` words) for its command line."""

    url: str
    options: tuple[str, ...] = ()


async def locate(
    url: str, folder: str, environment: Mapping[str, str], timeout: float
) -> Address:
    """Return where the repository at an HTTP address is now; other addresses stay unchanged.

    ``folder`` is named in errors; ``timeout`` is in seconds. Raises TimeoutError, and
    CheckoutError where git would find nothing either.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ("http", "https") or any(environment.get(name) for name in _PROXIES):
        # The proxy decides what can be reached.
        return Address(url)
    tail = f"info/refs{'&' if '?' in url else '?'}service=git-upload-pack"
    limits = Limits(deadline=timeout, stay_secure=True)
    found = await find(url + ("" if url.endswith("/") else "/") + tail,
                       {**_HEADERS, "User-Agent": f"git/2 ({user_agent()})"}, limits)
    error = found.response.error
    if isinstance(error, RedirectRefused):
        raise _refused(url, str(error))
    if isinstance(error, HTTPTimeoutError):
        raise TimeoutError
    if _is_about_certificates(error):
        # git may have been configured to trust other certificates.
        return Address(url)
    # On a 401, git checks whether it has a password for the address.
    if found.response.code not in (200, 401):
        failed = explain(f"fatal: unable to access '{url}/': {_reason(found.response)}",
                         url, folder)
        failed.silence = parse_retry_after(found.response.headers.get("Retry-After"))
        raise failed
    there = urldefrag(found.url).url
    if not there.endswith(tail):
        raise _refused(url, f"it redirects to {shown(there)}, which is not a repository")
    if found.response.headers.get("Content-Type", "").startswith("text/html"):
        # A web page, perhaps the login of a network: git would send four more requests.
        raise no_code(url)
    moved = there.removesuffix(tail)
    return Address(url if moved.rstrip("/") == url.rstrip("/") else moved.rstrip("/"),
                   _pin(found.url, found.address))


def _pin(url: str, address: str) -> tuple[str, ...]:
    """Make git (2.37 and later; older ones ignore it) connect to the IP address that was checked,
    not to what the DNS answers next time."""
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
    """Return what happened, in git's words."""
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
