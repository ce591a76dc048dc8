"""Checking passwords, and how long whoever guesses has to wait."""

from __future__ import annotations

import asyncio

import pytest

from warrior.web.password import (
    PasswordCheck,
    Throttle,
    TooManyFailures,
    hash_password,
    matches,
)


def test_record_tells_nothing_and_matches() -> None:
    """Two records of one password differ, and match it alone."""
    first, second = hash_password("secret"), hash_password("secret")
    assert first != second
    assert "secret" not in first
    assert matches("secret", first)
    assert not matches("Secret", first)


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
    """Everybody has 2**64 addresses to guess from."""
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
    """The same right words ten times at once are one try; ten guesses at once are ten."""
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
