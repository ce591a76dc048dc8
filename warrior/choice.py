"""Archive Team's choice: drawn by weight, and kept while its project's share has not fallen.

The rule is Warrior HQ's (`auto_projects_config`). That it is kept means that a thousand
warriors do not change their project every ten minutes; that it is drawn again when the
share falls means that they follow when the weights move.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

#: Shares are quotients of floating-point numbers; a fall below this part of one is none.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Choice:
    """The project ('' for none), and the share of all warriors (0 … 1) that it had last."""

    project: str = ""
    share: float = 0.0


def choose(
    before: Choice, weights: Mapping[str, float], auto_project: str, source: random.Random
) -> Choice:
    """The choice after an answer of Warrior HQ.

    ``weights`` are above zero and of projects on offer; without any, ``auto_project``
    ('' for none) is everybody's.
    """
    if not weights:
        return Choice(auto_project, 1.0) if auto_project else Choice()
    total = sum(weights.values())
    shares = {name: weight / total for name, weight in weights.items()}
    project = before.project
    if shares.get(project, 0.0) < before.share * (1 - _ROUNDING) or project not in shares:
        project = source.choices(list(shares), list(shares.values()))[0]
    return Choice(project, shares[project])
