"""The shortest project that shows how it works. It needs no tracker and no network.

    ./run-pipeline projects/example/pipeline.py YOURNAME --max-items 2

A project is a *pipeline*: a sequence of *tasks*. An *item* of work goes through the tasks, from
first to last; several items may run at once. This file is run once, at the start, and must
define two names: ``project`` and ``pipeline``.
"""

import os

from seesaw.config import realize
from seesaw.externalprocess import ExternalProcess
from seesaw.item import ItemInterpolation
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import PrintItem, SimpleTask


class ChooseItem(SimpleTask):
    """A real project asks its tracker for an item (GetItemFromTracker); this one invents it."""

    def __init__(self):
        SimpleTask.__init__(self, 'ChooseItem')
        self.number = 0

    def process(self, item):
        # An item is a dictionary: a task can read what earlier tasks stored. Project code
        # never runs twice at the same time, so a counter needs no lock.
        self.number += 1
        item['item_name'] = 'example-%d' % self.number
        # `downloader` is the volunteer's nickname, defined before this file is run. It may be
        # a setting that can still change: realize() returns its current value.
        item['greeting'] = 'Hello %s, this is item %d.' % (realize(downloader), self.number)


class CountWords(SimpleTask):
    """Checks what the external program wrote, as a project would before it uploads."""

    def __init__(self):
        SimpleTask.__init__(self, 'CountWords')

    def process(self, item):
        # Each item has its own folder, data_dir. It is removed when the item ends.
        with open(os.path.join(item['data_dir'], 'greeting.txt')) as text:
            words = len(text.read().split())
        # What is printed appears in the item's log. When this method returns, the task is
        # completed. Any exception would fail the item, and the log would say why.
        print('The program wrote %d words.' % words)


project = Project(
    title='Example',
    project_html='<h2>Example</h2><p>A project that keeps itself busy for a few seconds.</p>',
)

pipeline = Pipeline(
    ChooseItem(),
    # Any program can do the work; its output goes to the item's log as it arrives. The values
    # of %(…)s are filled in when an item reaches this task. They are arguments of the script
    # ($1 and $2), never part of it, because an item's name can be any text.
    ExternalProcess(
        'WriteGreeting',
        [
            'sh', '-c',
            'for n in 3 2 1; do echo "$n..."; sleep 1; done; echo "$1" | tee "$2"',
            'sh',
            ItemInterpolation('%(greeting)s'),
            ItemInterpolation('%(data_dir)s/greeting.txt'),
        ],
    ),
    CountWords(),
    PrintItem(),
)
