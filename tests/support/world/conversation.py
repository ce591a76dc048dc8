"""What was asked, when: moments of the world's clock, and how close they lie together."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence


class Moments(Sequence[float]):
    """When one endpoint was asked, in seconds of the world, in order."""

    __hash__ = None  # type: ignore[assignment]  (it compares by value)

    def __init__(self, moments: Iterable[float]) -> None:
        self._moments = sorted(moments)

    def __getitem__(self, place: int) -> float:  # type: ignore[override]
        return self._moments[place]

    def __len__(self) -> int:
        return len(self._moments)

    def __iter__(self) -> Iterator[float]:
        return iter(self._moments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moments) and self._moments == other._moments

    def __repr__(self) -> str:
        return f"[{', '.join(f'{moment:.2f}' for moment in self)}]"

    def between(self, start: float, end: float = float("inf")) -> Moments:
        """Those from ``start`` on, before ``end``."""
        return Moments(self._moments[bisect.bisect_left(self._moments, start):
                                     bisect.bisect_left(self._moments, end)])

    def first(self, seconds: float) -> Moments:
        """Those within so many seconds of the first."""
        return self.between(self[0], self[0] + seconds) if self else self

    def most_within(self, seconds: float) -> int:
        """The number in the fullest span of so many seconds, wherever it begins."""
        return max((len(self.between(one, one + seconds)) for one in self), default=0)

    @property
    def gaps(self) -> list[float]:
        """The seconds from each to the next."""
        return [later - one for one, later in zip(self, self._moments[1:])]

    @property
    def smallest_gap(self) -> float:
        return min(self.gaps, default=float("inf"))
