"""Who may command the warrior."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from warrior.config.config import WarriorOptions, read_options
from warrior.settings.access import Access, AccessRefused, in_container, settle_access
from warrior.settings.settings import Settings


def settle(
    folder: Path, *, container: bool = False, password: str = "", seen: list[bool] | None = None,
    **more: object,
) -> Access:
    """``seen`` gets whether the password is needed afterwards."""
    options = dataclasses.replace(read_options(
        [], {"HOME": str(folder)}, default_file=str(folder / "none")), **more)  # type: ignore[arg-type]
    assert isinstance(options, WarriorOptions)

    async def go() -> Access:
        settings = await Settings.open(
            str(folder / "settings.json"), max_concurrent_items=6, seeds={})
        try:
            if password:
                await settings.save({"http_password": password})
            access = await settle_access(options, settings, container=container)
            assert bool(access.made) <= bool(settings.password_record)
            if seen is not None:
                seen.append(settings.password_needed)
            return access
        finally:
            settings.close()

    return asyncio.run(go())


def test_loopback_needs_no_password(tmp_path: Path) -> None:
    """The default is only this machine."""
    assert settle(tmp_path) == Access("")


def test_elsewhere_it_is_refused_without_a_password(tmp_path: Path) -> None:
    """The sentence names all solutions, such as a password or the option."""
    with pytest.raises(AccessRefused, match="--insecure-no-password"):
        settle(tmp_path, address="0.0.0.0")
    assert settle(tmp_path, address="0.0.0.0", http_password="x") == Access("0.0.0.0")
    assert settle(tmp_path, address="0.0.0.0", insecure_no_password=True).insecure
    assert settle(tmp_path, address="0.0.0.0", password="long enough") == Access("0.0.0.0")


def test_behind_a_proxy_it_needs_a_password_too(tmp_path: Path) -> None:
    """Loopback does not protect it: the proxy lets everybody in."""
    public = "https://home.example/at"
    with pytest.raises(AccessRefused, match=r"Anyone .* at https://home\.example/at\..* remove the public_url"):
        settle(tmp_path, public_url=public)
    assert settle(tmp_path, public_url=public, http_password="x") == Access("")
    assert settle(tmp_path, public_url=public, insecure_no_password=True).insecure


@pytest.mark.parametrize(("options", "needed"), [
    ({}, False), ({"address": "127.0.0.2"}, False), ({"address": "0.0.0.0"}, True),
    ({"public_url": "https://home.example"}, True),
    ({"address": "0.0.0.0", "insecure_no_password": True}, True)])
def test_where_a_password_can_be_removed(
    tmp_path: Path, options: dict[str, Any], needed: bool
) -> None:
    """Only if nobody but this machine can reach the page."""
    seen: list[bool] = []
    settle(tmp_path, password="long enough", seen=seen, **options)
    assert seen == [needed]


def test_a_container_listens_everywhere_with_a_password_made_once(tmp_path: Path) -> None:
    """At the second start the password of the first still counts, and is not shown again."""
    first = settle(tmp_path, container=True)
    assert first.address == "0.0.0.0" and len(first.made) > 10
    assert first.made not in repr(first)
    assert settle(tmp_path, container=True) == Access("0.0.0.0")


def test_lost_settings_lock_the_page(tmp_path: Path) -> None:
    """Nobody knows whether there was a password: one is made, on loopback too."""
    (tmp_path / "settings.json").write_text("{")
    assert settle(tmp_path).made


def test_containers_are_known(tmp_path: Path) -> None:
    """By the variable, or by the files of Docker and Podman."""
    assert not in_container({}, str(tmp_path))
    assert in_container({"container": "podman"}, str(tmp_path))
    (tmp_path / ".dockerenv").touch()
    assert in_container({}, str(tmp_path))
