"""What a project's hooks may do within a request to the tracker."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.kit import play, write_pipeline
from tests.support.scripted_tracker import Answer, ScriptedTracker, item_answer

#: An override that asks again at once, and the answer that makes it do so.
AGAIN = {
    "handle_response": ("response.code == 500", "item, response", Answer(500)),
    "process_body": ("'bad' in body", "body, item", item_answer("bad")),
}


@pytest.mark.parametrize("hook", AGAIN)
def test_a_hook_that_asks_again_itself(
    tmp_path: Path, tracker: ScriptedTracker, hook: str
) -> None:
    """``send_request`` within a hook sends a second request, whose answer completes the task."""
    condition, arguments, first = AGAIN[hook]
    tracker.queue("request", first, item_answer("good"))
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            DEFAULT_RETRY_DELAY = 0.05
            def {hook}(self, {arguments}):
                if {condition}:
                    self.send_request(item)
                else:
                    super().{hook}({arguments})
        pipeline = Pipeline(Get({tracker.url!r}, downloader))
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["item_name"] == "good"
    assert len(tracker.requests("request")) == 2


def test_what_the_data_realizes_is_the_projects(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """An object of the project's that an item's key holds is realized in the worker."""
    path = write_pipeline(tmp_path, f"""\
        class Slow:
            def realize(self, item):
                item['thread'] = threading.get_ident()
                return 5
        class Prepare(SimpleTask):
            def process(self, item):
                item['stats'] = {{'n': [Slow()]}}
        pipeline = Pipeline(Prepare('Prepare'),
                            SendDoneToTracker({tracker.url!r}, ItemValue('stats')))
        """)
    tracker.always("done", Answer(200, b"OK"))
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert [request.json for request in tracker.requests("done")] == [{"n": [5]}]
    assert seen.item["thread"] != threading.get_ident()
