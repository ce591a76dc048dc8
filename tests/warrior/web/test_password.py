"""Checking passwords, and how long whoever guesses has to wait."""

from __future__ import annotations

import asyncio

import pytest

from warrior.settings.scrypt import hash_password
from warrior.web.password import PasswordCheck, Throttle, TooManyFailures


def test_wait_doubles_to_an_hour() -> None:
    """Five tries are free; then 30 s, doubling; others are not affected; success forgets."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    waits = []
    for _ in range(16):
        waits.append(throttle.wait("192.0.2.1"))
        now[0] += throttle.wait("192.0.2.1")
        throttle.failed("192.0.2.1")
    assert waits[:8] == [0, 0, 0, 0, 0, 30, 60, 120]
    assert waits[-1] == 3600
    assert throttle.wait("192.0.2.2") == 0
    throttle.succeeded("192.0.2.1")
    assert throttle.wait("192.0.2.1") == 0


def test_one_ipv6_network_is_one_guesser() -> None:
    """One attacker has 2**64 addresses."""
    throttle = Throttle()
    for number in range(5):
        throttle.failed(f"2001:db8::{number}")
    assert throttle.wait("2001:db8::ffff") > 0
    assert throttle.wait("2001:db8:0:1::1") == 0


def test_addresses_are_bounded() -> None:
    """A million guessers do not fill the memory."""
    throttle = Throttle()
    for number in range(3000):
        throttle.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(throttle._failures) == 1000


def test_many_at_once() -> None:
    """Ten identical checks at once count once; ten different guesses count ten times."""
    async def scenario() -> None:
        check = PasswordCheck("", "secret")
        assert all(await asyncio.gather(*(check.check("a", "secret", "x") for _ in range(10))))
        guesses = await asyncio.gather(
            *(check.check("a", f"guess {n}", "x") for n in range(10)), return_exceptions=True)
        assert sum(isinstance(answer, TooManyFailures) for answer in guesses) == 5
        with pytest.raises(TooManyFailures):
            await check.check("a", "secret", "x")
        assert await check.check("a", "secret", "y")
        check.close()

    asyncio.run(scenario())


def test_without_an_account_all_is_right() -> None:
    """Nothing is hashed, no thread is started."""
    async def scenario() -> None:
        check = PasswordCheck()
        assert not check.needed
        assert await check.check("a", "anything", "x")
        assert check._thread is None
        check.close()

    asyncio.run(scenario())


def test_a_record_is_as_good_as_the_password() -> None:
    """A configured name counts too; a malformed record is refused at once."""
    async def scenario() -> None:
        check = PasswordCheck("me", record=hash_password("secret"))
        assert check.needed
        assert await check.check("me", "secret", "x")
        assert not await check.check("you", "secret", "x")
        check.close()

    asyncio.run(scenario())
    with pytest.raises(ValueError, match="record"):
        PasswordCheck(record="scrypt$nothing")


def test_the_password_changes_while_it_is_looked_at() -> None:
    """The old password no longer counts, even if remembered or being hashed."""
    async def scenario() -> None:
        check = PasswordCheck("", "first")
        assert await check.check("", "first", "x")
        looking = asyncio.ensure_future(check.check("other name", "first", "x"))
        await asyncio.sleep(0)
        record = hash_password("second")
        assert check.change("", record)
        assert not check.change("", record)
        assert not await looking
        assert not await check.check("", "first", "x")
        assert await check.check("", "second", "x")
        assert check.change("me", record)
        assert not await check.check("", "second", "x")
        assert check.change("", "")
        assert not check.change("", "")
        assert not check.needed
        check.close()

    asyncio.run(scenario())
