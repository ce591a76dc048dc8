"""``distutils.version`` as pipeline files use it."""

from __future__ import annotations

import pytest

from pipeline_core.compat.distutils_version import LooseVersion, StrictVersion


def test_strict_versions_in_order() -> None:
    """Numbers are numbers, and a release comes after its pre-releases."""
    texts = ["0.4", "0.4.1", "0.5a1", "0.5b3", "0.5", "0.8.5", "0.9.6", "0.10.3", "1.0.4a3",
             "1.0.4b1", "1.0.4"]
    versions = [StrictVersion(text) for text in texts]
    assert sorted(versions, reverse=True)[::-1] == versions
    assert all(one < other for one, other in zip(versions, versions[1:]))
    assert not StrictVersion("0.10.3") < StrictVersion("0.8.5")


def test_strict_versions_and_texts_compare() -> None:
    """A text is read as a version; a missing third part is 0."""
    assert StrictVersion("1.2") == "1.2.0"
    assert StrictVersion("1.2") >= "1.1.9"
    assert StrictVersion("1.2") < "1.3"
    assert str(StrictVersion("1.2.0")) == "1.2"
    assert str(StrictVersion("1.2.3b4")) == "1.2.3b4"
    assert StrictVersion("1.2").version == (1, 2, 0)


@pytest.mark.parametrize("text", ["1", "1.2.3.4", "1.2c1", "v1.2", "", "1.2 ", "1.2\n", "²."])
def test_what_is_no_strict_version(text: str) -> None:
    """ValueError, naming the text."""
    with pytest.raises(ValueError, match="invalid version number"):
        StrictVersion(text)


def test_loose_versions() -> None:
    """Any text; numbers in it are numbers."""
    assert LooseVersion("1.10") > LooseVersion("1.9")
    assert LooseVersion("1.21.3-20230208.02") > "1.21.3-20220503.01"
    assert LooseVersion("1.5.1") != LooseVersion("1.5.1b2")
    assert str(LooseVersion("GNU Wget 1.21")) == "GNU Wget 1.21"


def test_versions_and_other_things() -> None:
    """Something that is no version is not equal, and cannot be ordered."""
    assert StrictVersion("1.2") != 1.2
    with pytest.raises(TypeError):
        _ = StrictVersion("1.2") < 1.2  # type: ignore[operator]
