"""A file of the newest kind: filters, lists of items and queues, coroutines, late imports."""
import asyncio
import collections
import json
import os
import sys
import threading

import requests
import seesaw
from tornado import httpclient
from tornado.httpclient import HTTPClient, HTTPRequest

from seesaw.config import StringConfigValue, realize
from seesaw.externalprocess import ExternalProcess
from seesaw.item import ItemInterpolation, ItemValue
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask
from seesaw.tracker import GetItemFromTracker, PrepareStatsForTracker, SendDoneToTracker

sys.path.append('.')
from common import escape

assert escape('a/b') == 'modern a/b'

HOST = os.environ['TEST_TRACKER_HOST']
URL = 'http://{}/modern'.format(HOST)
VERSION = '20260301.01'
# Asked once, at load, with the synchronous client.
BACKFEED = json.loads(HTTPClient().fetch(HTTPRequest(
    URL + '/config', method='POST', body='{}', request_timeout=10)).body.decode('utf-8'))
language = StringConfigValue(name='modern:language', title='Language', default='en',
                             regex='^[a-z]{2}$', description='Two letters.')


def item_filter(items):
    return [entry['item'].split(':', 1)[0] in BACKFEED['types'] and entry['queue'] != 'stash'
            for entry in items]


class Get(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = 0.1
    MAX_RETRY_DELAY = 1


class Fetch(SimpleTask):
    """Many at once, on the loop."""

    def __init__(self):
        super().__init__('Fetch')

    async def process(self, item):
        client = httpclient.AsyncHTTPClient()
        answers = await asyncio.gather(*[
            client.fetch(URL + '/page', method='POST', body=name, raise_error=False)
            for name in item['items']])
        item['codes'] = [answer.code for answer in answers]
        with open(item['data_dir'] + '/pages.json', 'w') as out:
            json.dump([answer.body.decode('utf-8') for answer in answers], out)


class Discover(SimpleTask):
    seen = collections.Counter()

    def __init__(self):
        super().__init__('Discover')

    def process(self, item):
        from late_module import discover
        self.seen.update(discover(item['item_name']))
        response = requests.post(URL + '/backfeed', json=sorted(discover(item['item_name'])),
                                 timeout=10)
        response.raise_for_status()
        item['language'] = realize(language, item)
        print(threading.current_thread().name, 'found', len(self.seen))


class Done(SendDoneToTracker):
    DEFAULT_RETRY_DELAY = 0.1

    def data(self, item):
        data = super().data(item)
        data['queues'] = item['queues']
        return data


project = Project(title='Modern', project_html='<h2>Modern</h2>')
pipeline = Pipeline(
    Get(URL + '/multi=4/', downloader, VERSION, item_filter=item_filter),
    Fetch(),
    Discover(),
    ExternalProcess('Count', ['wc', '-c', ItemInterpolation('%(data_dir)s/pages.json')],
                    env={'LANG': language}),
    PrepareStatsForTracker(
        defaults={'downloader': downloader, 'version': VERSION, 'codes': ItemValue('codes')},
        file_groups={'data': [ItemInterpolation('%(data_dir)s/pages.json')]}),
    Done(URL, ItemValue('stats')),
)
