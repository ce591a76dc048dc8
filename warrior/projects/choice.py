"""Archive Team's choice: draws a project by weight, and leaves it only in proportion to the fall
in share.

This is the rule of the contract for Warrior HQ's weights (`auto_projects_config`). A project whose
share has not fallen is kept. A project whose share falls from p to q is kept with probability q/p;
else another one is drawn among those whose share rose, in proportion to the rise. So as few
warriors as possible change their project, and the fleet's distribution matches the weights: when a
share falls from 50 to 45 %, every tenth of its warriors leaves.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

#: Smaller changes of a share come from rounding.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Choice:
    """The project ('' for none) and its last share of all warriors (0 … 1).

    ``others`` are the last shares of the other projects; a missing one had none.
    """

    project: str = ""
    share: float = 0.0
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)


def choose(
    before: Choice, weights: Mapping[str, float], auto_project: str, source: random.Random
) -> Choice:
    """Return the choice after an answer of Warrior HQ.

    ``weights`` are above zero and name projects on offer. Without weights, all warriors get
    ``auto_project`` ('' for none).
    """
    shares = shares_of(weights, auto_project)
    if not shares:
        return Choice()
    project = before.project
    share = shares.get(project, 0.0)
    if not share or (share < before.share * (1 - _ROUNDING)
                     and source.random() * before.share >= share):
        rises = {name: now - before.others.get(name, 0.0) for name, now in shares.items()
                 if name != project}
        risen = {name: rise for name, rise in rises.items() if rise > _ROUNDING}
        # Some share has risen if one has fallen, unless rounding hides it.
        drawn = (risen or shares) if project else shares
        project = source.choices(list(drawn), list(drawn.values()))[0]
    return Choice(project, shares.pop(project), shares)


def shares_of(weights: Mapping[str, float], auto_project: str) -> dict[str, float]:
    """Return the part of all warriors that each project should have; {} if nothing is chosen."""
    if not weights:
        return {auto_project: 1.0} if auto_project else {}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
