"""The volunteer's settings: checked, kept on disk, in effect at once.

Everything runs on the loop except reading, writing and hashing, which have a thread. A change is
all or nothing: it is checked, then written, and only then takes effect.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from pipeline_core.config import ConfigValue
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.event import Event
from warrior.settings import api_keys, built_in, validation
from warrior.settings.api_keys import ApiKey
from warrior.settings.data import (
    ANNOUNCEMENT,
    API_KEYS,
    ORDER,
    OWN,
    PROJECTS,
    SHARED,
    Data,
    project_order,
)
from warrior.settings.fields import Field, InvalidValue, ProjectFields
from warrior.settings.scrypt import hash_password, is_record
from warrior.settings.settings_file import SettingsFile, SettingsStore
from warrior.settings.validation import SettingsError, SettingsValidator

__all__ = ["Field", "Settings", "SettingsError"]

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _one_at_a_time(
    change: Callable[Concatenate[Settings, _P], Awaitable[_T]],
) -> Callable[Concatenate[Settings, _P], Coroutine[Any, Any, _T]]:
    """Make changes one after another, each to its end, even if the caller is cancelled."""
    @functools.wraps(change)
    async def whole(settings: Settings, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        async def locked() -> _T:
            async with settings._change_lock:
                return await change(settings, *args, **kwargs)

        return await asyncio.shield(asyncio.ensure_future(locked()))

    return whole


class Settings:
    """The volunteer's settings. Made by ``open``, used on the loop.

    ``on_change(names)`` follows each change; ``names`` is a frozenset of names of fields, or
    ``selected``, ``warrior_id``, ``api_keys``. If ``locked``, nobody knows whether there was a
    password, and the page must not open without one (see ``lock``).
    """

    def __init__(
        self, file: SettingsFile, *, max_concurrent_items: int, fixed: Collection[str] = ()
    ) -> None:
        self.downloader = built_in.make_downloader()
        self.concurrent_items = built_in.make_concurrent_items(max_concurrent_items)
        self.warrior_id = ""
        #: The short name of the announcement of HQ that the volunteer has read last.
        self.announcement_read = ""
        self.selected: tuple[str, ...] = ()
        #: '' if the page accepts any user name.
        self.http_username = ""
        #: The scrypt record of the page's password; '' if there is none.
        self.password_record = ""
        self.locked = False
        #: Whether other machines can reach the page; then the password cannot be removed.
        self.password_needed = False
        self.on_change = Event()
        #: The API keys, by name.
        self.keys: dict[str, ApiKey] = {}
        self._fields = ProjectFields(lambda name: self._changed({name}))
        self._check = SettingsValidator(
            self.downloader, self.concurrent_items, self._fields, fixed)
        self._store = SettingsStore(file)
        self._change_lock = asyncio.Lock()

    @classmethod
    async def open(
        cls, path: str, *, max_concurrent_items: int, seeds: Mapping[str, str],
        fixed: Collection[str] = (),
    ) -> Settings:
        """The settings in the file; never raises for its content.

        ``seeds`` are values for what was never set. ``fixed`` names the fields that the operator
        has set, such as ``http_password``.
        """
        settings = cls(SettingsFile(path), max_concurrent_items=max_concurrent_items, fixed=fixed)
        await settings._begin(seeds)
        return settings

    def close(self) -> None:
        """End the thread; nothing can be saved afterwards."""
        self._store.close()

    @property
    def trouble(self) -> str:
        """A sentence for the page if the file could not be used or written, else ''."""
        return self._store.trouble

    # -- what projects bring ---------------------------------------------------------------
    def attach(
        self, project: str, values: Sequence[ConfigValue], worker: ProjectWorker | None = None
    ) -> None:
        """Show the fields of a loaded project, and set its values to what is kept.

        A value whose class the project defines is checked and set in ``worker``; without a
        worker, its field cannot be changed.
        """
        self._fit(self._fields.attach(project, values, worker))

    def detach(self, project: str, values: Sequence[ConfigValue] | None = None) -> None:
        """Remove the values of one load, or all of the project, from the form; the file keeps
        them."""
        self._fit(self._fields.detach(project, values))

    def remembered(self, project: str) -> dict[str, str]:
        """The kept values for the project, and for all projects, by the names in its file.

        A key of an old settings file counts for every project with a value of that name.
        """
        ours = (*OWN, ANNOUNCEMENT, ORDER, PROJECTS, API_KEYS)
        flat = {name: str(value) for name, value in self._data.items()
                if name not in ours and isinstance(value, (str, int))
                and not isinstance(value, bool) and value != ""}
        own: dict[str, str] = (self._data.get(PROJECTS) or {}).get(project, {})
        return flat | own

    def fields(self) -> list[Field]:
        """The whole form. It never contains a password."""
        return built_in.own_fields(
            self.downloader, self.concurrent_items, self.http_username, self._check.fixed
        ) + list(self._fields)

    # -- changes ---------------------------------------------------------------------------
    @_one_at_a_time
    async def save(self, changes: Mapping[str, Any]) -> None:
        """Set fields by their names, all or none. Raises SettingsError.

        An empty text resets a number to its default. None removes the password; an empty one is
        refused.
        """
        checked = await self._check.check(
            changes, self._data, password_needed=self.password_needed)
        if not checked:
            return
        new: Data = {name: text or "" for name, text in checked.items()
                     if name in OWN or name.startswith(SHARED)}
        if checked.get("http_password"):
            new["http_password"] = await self._store.in_thread(
                hash_password, checked["http_password"])
        of_projects = {name: text for name, text in checked.items() if name not in new}
        if of_projects:
            new[PROJECTS] = self._check.projects_with(of_projects, self._data)
        await self._store.write(new)
        for name, text in checked.items():
            if name == "http_username":
                self.http_username = text or ""
            elif name == "http_password":
                self.password_record = new[name]
            elif name in ("downloader", "concurrent_items"):
                self._set_own(name, text)
            else:
                self._fields.set(name, text)
        self._changed(checked)

    @_one_at_a_time
    async def select(self, names: Sequence[str]) -> None:
        """Choose projects, in order; 'auto' is Archive Team's choice. Raises SettingsError."""
        try:
            wanted = tuple(built_in.check_choice(names))
        except InvalidValue as refused:
            raise SettingsError({ORDER: str(refused)}) from None
        if wanted != self.selected:
            await self._store.write(
                {ORDER: list(wanted), "selected_project": (wanted or ("",))[0]})
            self.selected = wanted
            self._changed({"selected"})

    @_one_at_a_time
    async def set_warrior_id(self, text: str) -> None:
        """Keep the id from HQ, if necessary only in memory. Raises SettingsError."""
        try:
            self.warrior_id = built_in.check_warrior_id(text)
        except InvalidValue as refused:
            raise SettingsError({"warrior_id": str(refused)}) from None
        await self._store.write_if_possible({"warrior_id": text})
        self._changed({"warrior_id"})

    @_one_at_a_time
    async def set_announcement_read(self, text: str) -> None:
        """Note which announcement has been read, if necessary only in memory."""
        self.announcement_read = text
        await self._store.write_if_possible({ANNOUNCEMENT: text})

    @_one_at_a_time
    async def make_key(self, name: str) -> str:
        """A new API key of this name, in the form in which it is sent. Raises SettingsError."""
        if trouble := self._check.key_name(name, self.keys):
            raise SettingsError({"name": trouble})
        key, kept = api_keys.new_key()
        await self._write_keys({**self.keys, name: kept})
        return key

    @_one_at_a_time
    async def revoke_key(self, name: str) -> None:
        """Revoke the key of this name, if there is one. Raises SettingsError."""
        if name in self.keys:
            await self._write_keys({other: key for other, key in self.keys.items()
                                    if other != name})

    async def _write_keys(self, keys: dict[str, ApiKey]) -> None:
        await self._store.write({API_KEYS: api_keys.to_data(keys)})
        self.keys = keys
        self._changed({API_KEYS})

    @_one_at_a_time
    async def lock(self, password: str) -> None:
        """Ask for this password from now on, even if it cannot be written now."""
        self.password_record = await self._store.in_thread(hash_password, password)
        await self._store.write_if_possible({"http_password": self.password_record})
        self._changed({"http_password"})

    def _set_own(self, name: str, text: str | None) -> None:
        value = self.downloader if name == "downloader" else self.concurrent_items
        try:
            value.set_value(text or value.default)
        except Exception:
            logger.exception("Acting on the setting %s failed", name)

    # -- start -----------------------------------------------------------------------------
    async def _begin(self, seeds: Mapping[str, str]) -> None:
        loaded = await self._store.load()
        if loaded.trouble:
            logger.warning("%s", loaded.trouble)
        data = dict(loaded.data)
        self._check.apply_seeds(data, seeds)
        password = data.get("http_password") or ""
        if password and not is_record(password):
            data["http_password"] = await self._store.in_thread(hash_password, password)
        self._take(data)
        self.locked = loaded.locked and not self.password_record
        if data != loaded.data:
            await self._store.write_if_possible(data)
        elif loaded.found:
            await self._store.confirm()

    def _take(self, data: Data) -> None:
        self.warrior_id = data.get("warrior_id") or ""
        self.announcement_read = data.get(ANNOUNCEMENT) or ""
        self.keys = api_keys.from_data(data.get(API_KEYS) or {})
        self.http_username = data.get("http_username") or ""
        self.password_record = data.get("http_password") or ""
        self.selected = validation.chosen(project_order(data))
        validation.set_valid(self.downloader, data.get("downloader") or "")
        validation.set_valid(self.concurrent_items, validation.within(
            data.get("concurrent_items") or "", self.concurrent_items))

    def _fit(self, names: Sequence[str]) -> None:
        for name in names:
            project, _, own = name.partition("/")
            kept = (self._data.get(name) or None if name.startswith(SHARED)
                    else self.remembered(project).get(own))
            self._fields.fit(name, kept)
        if names:
            self._changed(names)

    def _changed(self, names: Collection[str]) -> None:
        try:
            self.on_change(frozenset(names))
        except Exception:
            logger.exception("Acting on changed settings failed")

    @property
    def _data(self) -> Data:
        return self._store.data
