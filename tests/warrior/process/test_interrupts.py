"""The effect of each signal."""

from __future__ import annotations

from warrior.process.interrupts import SECOND_INTERRUPT, Interrupts


class Heard:
    """Records the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.interrupts = Interrupts(self.stop, self.stop_now)

    def stop(self, why: str, advice: str = "", /) -> None:
        self.calls.append("stop")

    def stop_now(self, why: str, kill_after: float = 3.0, /) -> None:
        self.calls.append("kill" if kill_after == 0 else "now")


def test_second_interrupt_within_five_seconds() -> None:
    """The first is gentle, the second hard, the third kills."""
    heard = Heard()
    for now in (100.0, 104.9, 105.0):
        heard.interrupts.interrupt(now)
    assert heard.calls == ["stop", "now", "kill"]


def test_late_second_interrupt_is_a_first_one() -> None:
    """After five seconds, it is a first one again."""
    heard = Heard()
    heard.interrupts.interrupt(100.0)
    heard.interrupts.interrupt(100.0 + SECOND_INTERRUPT)
    heard.interrupts.interrupt(100.0 + SECOND_INTERRUPT + 1)
    assert heard.calls == ["stop", "stop", "now"]


def test_second_sigterm_whenever_it_comes() -> None:
    """A service manager's second SIGTERM stops at once, whenever it comes."""
    heard = Heard()
    heard.interrupts.terminate()
    heard.interrupts.terminate()
    heard.interrupts.terminate()
    assert heard.calls == ["stop", "now", "kill"]


def test_hang_up_stops_at_once() -> None:
    """The terminal is gone, so it stops at once."""
    heard = Heard()
    heard.interrupts.hang_up()
    assert heard.calls == ["now"]


def test_a_stop_that_was_taken_back_is_forgotten() -> None:
    """After *keep running* the next signal is a first one."""
    heard = Heard()
    heard.interrupts.interrupt(100.0)
    heard.interrupts.terminate()
    heard.interrupts.forget()
    heard.interrupts.interrupt(101.0)
    heard.interrupts.terminate()
    assert heard.calls == ["stop"] * 4
