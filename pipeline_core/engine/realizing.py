"""Whether realizing a value runs project code."""

from __future__ import annotations

from typing import Any

from pipeline_core.config import ConfigInterpolation
from pipeline_core.engine.project_worker import is_project_code


def is_project_value(value: Any) -> bool:
    """Whether a class that the project defined takes part in realizing ``value``."""
    if isinstance(value, dict):
        return any(is_project_value(member) for member in value.values())
    if isinstance(value, list):
        return any(is_project_value(member) for member in value)
    if isinstance(value, ConfigInterpolation):
        return is_project_value(value.s) or is_project_value(value.c)
    realizer = None if isinstance(value, type) else getattr(value, "realize", None)
    return realizer is not None and is_project_code(realizer)
