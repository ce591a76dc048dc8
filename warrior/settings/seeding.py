"""Values for settings that were never set, from the environment; and what a file holds, checked."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from pipeline_core.config import ConfigValue, NumberConfigValue
from warrior.settings import built_in
from warrior.settings.data import ORDER, SHARED, Data
from warrior.settings.fields import InvalidValue

logger = logging.getLogger(__name__)


def apply_seeds(
    data: Data, seeds: Mapping[str, str], downloader: ConfigValue, concurrent: NumberConfigValue
) -> None:
    """Set what was never set from the environment (``seeds``). The password stays plain."""
    for key, seed in seeds.items():
        if not seed or data.get(key) or (key == "selected_project" and data.get(ORDER)):
            continue
        try:
            text = _checked(key, seed, downloader, concurrent)
        except InvalidValue as refused:
            logger.warning("%s from the environment is not used: %s", key, refused)
            continue
        if text:
            data[key] = text


def _checked(
    key: str, seed: str, downloader: ConfigValue, concurrent: NumberConfigValue
) -> str:
    if key == "http_password":
        return built_in.check_password(seed)
    text = built_in.text_from(seed)
    if not text:
        return ""
    if key == "downloader":
        if sentence := downloader.check_value(text):
            raise InvalidValue(sentence)
    elif key == "concurrent_items":
        text = within(text, concurrent)
        if sentence := concurrent.check_value(text):
            raise InvalidValue(sentence)
    elif key == "selected_project":
        (text,) = built_in.check_choice([text])
    elif key == "http_username":
        text = built_in.check_username(text)
    elif key == "warrior_id":
        text = built_in.check_warrior_id(text)
    elif not key.startswith(SHARED):
        raise InvalidValue("There is no such setting.")
    return text


def within(text: str, number: NumberConfigValue) -> str:
    """The number in the text, or the nearest one that is allowed; other text as it is."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or number.min is None or number.max is None:
        return text
    allowed = min(max(int(text), number.min), number.max)
    if allowed != int(text):
        logger.warning("%s items at once are not allowed here: %d is used instead.", text, allowed)
    return str(allowed)


def set_valid(value: ConfigValue, text: str) -> None:
    """Set what a file holds; what is not allowed leaves the default."""
    if text and not value.set_value(text):
        logger.warning("A value in the settings file is not used. %s", value.error)
        value.error = None


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that a project can have."""
    good = tuple(name for name in names if built_in.is_choice(name))
    for name in names:
        if name not in good:
            logger.warning("The settings file names a project %r, which cannot exist.", name)
    return good
