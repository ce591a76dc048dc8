"""What run-pipeline was asked to do, as one value."""

from __future__ import annotations

import dataclasses

#: Seconds that --check gives a file to load.
LOAD_TIME = 300


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """What run-pipeline was asked to do."""

    pipeline: str
    downloader: str
    concurrent: int
    max_items: int | None
    stop_file: str
    web_server: bool
    keep_data: bool
    #: Whether finished items that earlier runs left behind are uploaded first.
    resume: bool
    address: str
    port: int
    http_username: str
    http_password: str
    password_on_command_line: bool
    #: Whether everybody who reaches the address may command it.
    insecure: bool
    context_values: dict[str, str]
    #: Where a reverse proxy shows the page, '' without one; who is believed to be that proxy.
    public_url: str = ""
    proxy_addresses: tuple[str, ...] = ()
    #: What a script may send as a Bearer key; '' for none.
    api_key: str = dataclasses.field(default="", repr=False)
    #: The name of a project folder to write; '' for none.
    new: str = ""
    #: Whether the file is only examined, and told of as JSON; seconds that loading may take.
    check: bool = False
    as_json: bool = False
    load_time: float = LOAD_TIME
    #: Seconds between two looks for newer code; None: it is not updated.
    update_interval: float | None = None
