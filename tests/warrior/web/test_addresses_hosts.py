"""Names under which the console may be asked."""

from __future__ import annotations

from warrior.web.addresses import AcceptedHosts


def test_hosts_without_brackets_are_no_addresses() -> None:
    """IPv6 needs them."""
    hosts = AcceptedHosts()
    assert "[::1]" in hosts
    assert "::1" not in hosts
