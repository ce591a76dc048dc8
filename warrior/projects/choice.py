"""Archive Team's choice: drawn by weight, and left only as far as its project's share falls.

The rule is that of the contract for Warrior HQ's weights (`auto_projects_config`). A project
whose share has not fallen is kept; one whose share falls from p to q is kept with probability
q/p, and else another is drawn among those whose share rose, each as likely as much as it rose.
So of all warriors no more change their project than have to, and all together they divide as
the weights do: when a share falls from 50 to 45 %, every tenth of its warriors goes.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

#: Shares are quotients of floating-point numbers; a change below this is none.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Choice:
    """The project ('' for none), and the share of all warriors (0 … 1) that it had last.

    ``others`` are the shares that the other projects had; one that is not there had none.
    """

    project: str = ""
    share: float = 0.0
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)


def choose(
    before: Choice, weights: Mapping[str, float], auto_project: str, source: random.Random
) -> Choice:
    """The choice after an answer of Warrior HQ.

    ``weights`` are above zero and of projects on offer; without any, ``auto_project``
    ('' for none) is everybody's.
    """
    shares = shares_of(weights, auto_project)
    if not shares:
        return Choice()
    project = _draw(before, shares, source)
    return Choice(project, shares.pop(project), shares)


def shares_of(weights: Mapping[str, float], auto_project: str) -> dict[str, float]:
    """The part of all warriors that each project is to have; {} where nothing is chosen."""
    if not weights:
        return {auto_project: 1.0} if auto_project else {}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _draw(before: Choice, shares: Mapping[str, float], source: random.Random) -> str:
    if not before.project:
        return _weighted(shares, source)
    share = shares.get(before.project, 0.0)
    if before.project in shares and (
            share >= before.share * (1 - _ROUNDING) or source.random() * before.share < share):
        return before.project
    rises = {name: now - before.others.get(name, 0.0) for name, now in shares.items()
             if name != before.project}
    risen = {name: rise for name, rise in rises.items() if rise > _ROUNDING}
    # What fell has gone somewhere, unless it fell by no more than rounding hides.
    return _weighted(risen or shares, source)


def _weighted(weights: Mapping[str, float], source: random.Random) -> str:
    return source.choices(list(weights), list(weights.values()))[0]
