"""A small run of a pipeline with its console, for the browser tests.

``serve.py PORT SCENARIO [PASSWORD]``: prints the URL, then runs until it is stopped.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile

from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner
from pipeline_core.task import SimpleTask, Task
from warrior.web.app import ConsoleOptions, make_console

TERMINAL = r"""
printf '\033[1;32mgreen\033[0m \033]0;a title\007\033[38;5;196mred\033[0m \033[2Aplain\n'
printf '\033]8;;http://example.org/\033\\link\033]8;;\033\\ \342\202\254 \377\n'
printf '<b>not bold</b>\n'
printf 'long '; head -c 1000000 /dev/zero | tr '\0' x; echo
printf '\rprogress  10%%'; sleep 0.3; printf '\rprogress 100%%\n'
i=0; while :; do i=$((i+1)); echo "live line $i"; sleep 0.2; done
"""


class GetName(SimpleTask):
    """Gives each item a name, of the kinds that there are."""

    def process(self, item: object) -> None:
        number = item.item_number  # type: ignore[attr-defined]
        names = [f"user:{number}", f"https://example.org/?a=<i>{number}</i>", "one\0two\0three"]
        item["item_name"] = names[number % 3]  # type: ignore[index]


def tasks(scenario: str) -> list[Task]:
    script = {
        "terminal": TERMINAL,
        "many": "i=0; while :; do i=$((i+1)); echo line $i; sleep 5; done",
        "short": "echo working; sleep 3",
    }[scenario]
    return [GetName("GetName"), ExternalProcess("Download", ["sh", "-c", script])]


async def main(port: int, scenario: str, password: str = "") -> None:
    pipeline = Pipeline(*tasks(scenario))
    with tempfile.TemporaryDirectory() as folder:
        pipeline.data_dir = folder
        runner = Runner(concurrent_items=200 if scenario == "many" else 2)
        runner.set_current_pipeline(pipeline)
        console = make_console(
            runner, Project("Browser test", "<h2>A <i>header</i></h2>"), downloader="someone",
            stop=runner.stop_gracefully, stop_now=lambda: runner.stop_now(0.5),
            keep_running=runner.keep_running, options=ConsoleOptions(port=port, password=password))
        print(console.listen()[0], flush=True)
        finished = asyncio.Event()
        runner.on_finish += lambda runner: finished.set()
        runner.start()
        await finished.wait()
        console.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
