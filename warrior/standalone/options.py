"""The options of run-pipeline as one value."""

from __future__ import annotations

import dataclasses

#: Seconds that a file may take to load with --check.
LOAD_TIME = 300


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """The options of run-pipeline."""

    pipeline: str
    downloader: str
    concurrent: int
    max_items: int | None
    stop_file: str
    web_server: bool
    keep_data: bool
    #: Whether finished items of earlier runs are uploaded first.
    resume: bool
    address: str
    port: int
    http_username: str
    http_password: str
    password_on_command_line: bool
    #: Whether anyone who reaches the address may control it.
    insecure: bool
    context_values: dict[str, str]
    #: The page's address behind a reverse proxy ('' for none), and the addresses of such proxies.
    public_url: str = ""
    proxy_addresses: tuple[str, ...] = ()
    #: The API key of scripts; '' for none.
    api_key: str = dataclasses.field(default="", repr=False)
    #: The name of a new project folder to write; '' for none.
    new: str = ""
    #: Whether to only check the file, and report as JSON; seconds that loading may take.
    check: bool = False
    as_json: bool = False
    load_time: float = LOAD_TIME
    #: Seconds between two looks for newer code; None: no updates.
    update_interval: float | None = None
