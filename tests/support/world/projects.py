"""Projects like the real ones: their code in one file, their limit a shared setting."""

from __future__ import annotations

from pathlib import Path

_PIPELINE = """\
import os

from seesaw.config import NumberConfigValue
from seesaw.externalprocess import ExternalProcess
from seesaw.item import ItemInterpolation, ItemValue
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import LimitConcurrent, SimpleTask
from seesaw.tracker import (
    GetItemFromTracker, PrepareStatsForTracker, SendDoneToTracker, UploadWithTracker)

TRACKER = {tracker!r}
VERSION = {version!r}

project = Project(title={title!r}, project_html='<p>Saves a site.</p>')


class WriteFile(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, 'WriteFile')

    def process(self, item):
        item['item_dir'] = os.path.join(item['data_dir'], 'work')
        os.makedirs(item['item_dir'])
        with open(os.path.join(item['item_dir'], item['item_name'] + '.warc.gz'), 'w') as file:
            file.write('the content of ' + item['item_name'])


pipeline = Pipeline(
    GetItemFromTracker(TRACKER, downloader, VERSION),
    WriteFile(),
    ExternalProcess('Download', ['sh', '-c', 'while [ -e "$0" ]; do sleep 0.2; done', {hold!r}],
                    env={{'PATH': os.environ['PATH']}}),
    PrepareStatsForTracker(
        defaults={{'downloader': downloader, 'version': VERSION}},
        file_groups={{'data': [ItemInterpolation('%(item_dir)s/%(item_name)s.warc.gz')]}}),
    LimitConcurrent(
        NumberConfigValue(name='shared:rsync_threads', min=1, max=64, default='20',
                          title='Rsync threads', description='How many uploads at once.'),
        UploadWithTracker(
            TRACKER, downloader=downloader, version=VERSION,
            files=[ItemInterpolation('%(item_dir)s/%(item_name)s.warc.gz')],
            rsync_target_source_path=ItemInterpolation('%(item_dir)s/'),
            rsync_extra_args=['--recursive', '--partial'])),
    SendDoneToTracker(tracker_url={done!r}, stats=ItemValue('stats')))
"""


class Project:
    """A folder with a project's code, which asks the tracker at ``tracker_url``.

    Its items work while :meth:`hold` is in force, and otherwise are done at once. ``done_url``
    is another tracker to report them to.
    """

    def __init__(
        self, folder: Path, name: str, tracker_url: str, done_url: str = "", version: str = "1"
    ) -> None:
        self.name = name
        self.title = f"Title of {name}"
        self.tracker_url = tracker_url
        self.done_url = done_url or tracker_url
        self.folder = folder
        self._hold = folder.parent / f"hold-{folder.name}"
        #: Where the code is to be had; its folder, or an address of git.
        self.repository = str(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "pipeline.py").write_text(self.code(version))

    def code(self, version: str) -> str:
        """The file of this version."""
        return _PIPELINE.format(tracker=self.tracker_url, version=version, title=self.title,
                                hold=str(self._hold), done=self.done_url)

    def hold(self) -> None:
        """Let items that begin work until :meth:`go_on`."""
        self._hold.touch()

    def go_on(self) -> None:
        self._hold.unlink(missing_ok=True)
