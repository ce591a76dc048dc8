"""The tree of tests mirrors the tree of modules."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"


def belongs(test: Path) -> bool:
    """Whether there is a module, or a package, that ``test_<module>`` or ``test_<module>_<what>``
    in the same place can be about."""
    folder = ROOT / test.parent.relative_to(TESTS)
    words = test.stem.split("_")[1:]
    names = ["_".join(words[:length]) for length in range(1, len(words) + 1)]
    return any((folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
               for name in names)


@pytest.mark.parametrize("package", ["pipeline_core", "warrior", "tracker"])
def test_each_test_stands_where_its_module_stands(package: str) -> None:
    """tests/<package>/<room>/test_<module>.py tests <package>/<room>/<module>.py."""
    tests = sorted((TESTS / package).rglob("test_*.py"))
    assert tests
    assert [str(test.relative_to(ROOT)) for test in tests if not belongs(test)] == []
