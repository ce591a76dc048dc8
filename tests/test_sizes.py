"""Holds the sizes that CONTRIBUTING.md names; the numbers stand there alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline_core", "warrior", "tracker")
#: The parts of all modules, and of all functions, that may be longer than usual.
LONG_MODULES, LONG_FUNCTIONS = 1 / 20, 1 / 100


def number(pattern: str) -> int:
    """The number that CONTRIBUTING.md has at this place."""
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    found = re.findall(pattern.replace("#", r"([\d,]+)"), text)
    assert len(found) == 1, f"CONTRIBUTING.md does not say once: {pattern}"
    return int(found[0].replace(",", ""))


def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text()
            for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def longer(sizes: dict[str, int], most: int) -> str:
    """Those that have more lines, the longest first."""
    return "\n".join(f"{lines:5}  {name}" for lines, name in sorted(
        ((lines, name) for name, lines in sizes.items() if lines > most), reverse=True))


def check(sizes: dict[str, int], usual: int, most: int, part: float) -> None:
    assert sizes
    assert not longer(sizes, most), f"over {most} lines:\n{longer(sizes, most)}"
    too_long = longer(sizes, usual)
    assert len(too_long.splitlines()) <= part * len(sizes), (
        f"over {usual} lines, and more than {part:.0%} of {len(sizes)}:\n{too_long}")


def test_modules_are_short() -> None:
    """One in twenty may be longer than usual, and none may be longer than the bound."""
    check({name: len(text.splitlines()) for name, text in sources().items()},
          number("Modules have at most # lines"), number("no module has more than #"),
          LONG_MODULES)


def test_functions_are_short() -> None:
    """One in a hundred may be longer than usual, and none may be longer than the bound."""
    sizes = {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, text in sources().items() for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    check(sizes, number("and functions at most #"), number("no function more than #"),
          LONG_FUNCTIONS)


def test_the_product_stays_small() -> None:
    """All Python of the three packages together."""
    lines = sum(len(text.splitlines()) for text in sources().values())
    most = number("have at most # lines of Python together")
    assert lines <= most, f"{lines} lines, and CONTRIBUTING.md allows {most}"
