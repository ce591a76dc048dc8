"""The tree of tests mirrors the tree of modules, and ARCHITECTURE.md names what is there."""

from __future__ import annotations

import ast
import re
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


def test_the_way_of_an_item_can_be_found() -> None:
    """ARCHITECTURE.md lists at most fifteen functions, each of which is in the file named there."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    listed = re.findall(r"^\d+\. `(?:(\w+)\.)?(\w+)` \(`([\w/]+\.py)`\)", text, re.MULTILINE)
    assert 0 < len(listed) == len(re.findall(r"^\d+\. ", text, re.MULTILINE)) <= 15
    for of_class, function, file in listed:
        body = ast.parse((ROOT / file).read_bytes()).body
        if of_class:
            [body] = [node.body for node in body
                      if isinstance(node, ast.ClassDef) and node.name == of_class]
        assert function in [node.name for node in body if isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef))], f"{of_class}.{function} in {file}"
