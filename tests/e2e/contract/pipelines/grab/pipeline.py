# encoding=utf8
import datetime
from distutils.version import StrictVersion
import hashlib
import os
import random
import shutil
import socket
import string
import sys
import time

import seesaw
from seesaw.config import realize, NumberConfigValue
from seesaw.externalprocess import WgetDownload
from seesaw.item import ItemInterpolation, ItemValue
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask, LimitConcurrent
from seesaw.tracker import GetItemFromTracker, PrepareStatsForTracker, \
    UploadWithTracker, SendDoneToTracker
from seesaw.util import find_executable

if StrictVersion(seesaw.__version__) < StrictVersion('0.8.5'):
    raise Exception('This pipeline needs seesaw version 0.8.5 or higher.')

LOCAL_WORD = 'nothing'
try:
    unicode
except NameError:
    unicode = str

###########################################################################
# Look for a usable Wget.
WGET_AT = find_executable(
    'Wget+AT',
    [
        'GNU Wget 1.21.3-at.20230623.01'
    ],
    [
        './wget-at',
        '/home/warrior/data/wget-at-gnutls-not-here'
    ]
)

if not WGET_AT:
    raise Exception('No usable Wget+At found.')

###########################################################################
VERSION = '20240102.03'
TRACKER_ID = 'grab'
TRACKER_HOST = os.environ['TEST_TRACKER_HOST']
MULTI_ITEM_SIZE = 3
with open('user-agents.txt', 'r') as f:
    USER_AGENTS = [line.strip() for line in f if line.strip()]

if '--concurrent' in sys.argv:
    CONCURRENT = int(sys.argv[sys.argv.index('--concurrent') + 1])
else:
    CONCURRENT = int(os.getenv('CONCURRENT_ITEMS', '1'))
HOME = os.path.expanduser('~')


class CheckIP(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, 'CheckIP')
        self._counter = 0

    def process(self, item):
        if self._counter <= 0:
            item.log_output('Checking IP address.')
            ip_set = set()
            for name in ('localhost', 'localhost'):
                ip_set.add(socket.gethostbyname(name))
            if len(ip_set) != 1:
                item.log_output('Got IP addresses: {0}'.format(ip_set))
                raise Exception('Are you behind a firewall/proxy?')
        # Check only occasionally
        if self._counter <= 0:
            self._counter = 10
        else:
            self._counter -= 1


class PrepareDirectories(SimpleTask):
    def __init__(self, warc_prefix):
        SimpleTask.__init__(self, 'PrepareDirectories')
        self.warc_prefix = warc_prefix

    def process(self, item):
        item_name = item['item_name']
        item_name_hash = hashlib.sha1(item_name.encode('utf8')).hexdigest()
        escaped_item_name = item_name_hash
        dirname = '/'.join((item['data_dir'], escaped_item_name))

        if os.path.isdir(dirname):
            shutil.rmtree(dirname)
        os.makedirs(dirname)

        item['item_dir'] = dirname
        item['warc_file_base'] = '-'.join([
            self.warc_prefix,
            item_name_hash,
            time.strftime('%Y%m%d-%H%M%S')
        ])
        open('%(item_dir)s/%(warc_file_base)s.warc.zst' % item, 'w').close()
        open('%(item_dir)s/%(warc_file_base)s_data.txt' % item, 'w').close()


class MoveFiles(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, 'MoveFiles')

    def process(self, item):
        if os.path.exists('%(item_dir)s/%(warc_file_base)s.warc' % item):
            raise Exception('Please compile wget with zlib support!')
        os.rename('%(item_dir)s/%(warc_file_base)s.warc.zst' % item,
                  '%(data_dir)s/%(warc_file_base)s.1234567890.warc.zst' % item)
        os.rename('%(item_dir)s/%(warc_file_base)s_data.txt' % item,
                  '%(data_dir)s/%(warc_file_base)s_data.txt' % item)
        shutil.rmtree('%(item_dir)s' % item)


class SetBadUrls(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, 'SetBadUrls')

    def process(self, item):
        item['item_name_original'] = item['item_name']
        items = item['item_name'].split('\0')
        items_lower = [s.lower() for s in items]
        with open('%(item_dir)s/%(warc_file_base)s_bad-items.txt' % item, 'r') as f:
            for bad_item in {s.strip().lower() for s in f}:
                index = items_lower.index(bad_item)
                item.log_output('Item {} is aborted.'.format(bad_item))
                items.pop(index)
                items_lower.pop(index)
        item['item_name'] = '\0'.join(items)


class MaybeSendDoneToTracker(SendDoneToTracker):
    DEFAULT_RETRY_DELAY = 0.1

    def enqueue(self, item):
        if len(item['item_name']) == 0:
            item.log_output('Skipping SendDoneToTracker.')
            return self.complete_item(item)
        return super(MaybeSendDoneToTracker, self).enqueue(item)


class MaybeUploadWithTracker(UploadWithTracker):
    DEFAULT_RETRY_DELAY = 0.1

    def enqueue(self, item):
        if len(item['item_name']) == 0:
            item.log_output('Skipping UploadWithTracker.')
            return self.complete_item(item)
        return super(MaybeUploadWithTracker, self).enqueue(item)


def get_hash(filename):
    with open(filename, 'rb') as in_file:
        return hashlib.sha1(in_file.read()).hexdigest()


CWD = os.getcwd()
PIPELINE_SHA1 = get_hash(os.path.join(CWD, 'pipeline.py'))
LUA_SHA1 = get_hash(os.path.join(CWD, 'grab.lua'))


def stats_id_function(item):
    d = {
        'pipeline_hash': PIPELINE_SHA1,
        'lua_hash': LUA_SHA1,
        'python_version': sys.version,
    }
    return d


class WgetArgs(object):
    post_chars = string.digits + 'abcdefghijklmnopqrstuvwxyz'

    def int_to_str(self, i):
        d, m = divmod(i, 36)
        if d > 0:
            return self.int_to_str(d) + self.post_chars[m]
        return self.post_chars[m]

    def realize(self, item):
        with open(os.path.join(CWD, 'grab.lua')):
            pass
        wget_args = [
            WGET_AT,
            '-U', random.choice(USER_AGENTS),
            '-nv',
            '--host-lookups', 'dns',
            '--hosts-file', '/dev/null',
            '--resolvconf-file', '/dev/null',
            '--lua-script', 'grab.lua',
            '-o', ItemInterpolation('%(item_dir)s/wget.log'),
            '--output-document', ItemInterpolation('%(item_dir)s/wget.tmp'),
            '--warc-file', ItemInterpolation('%(item_dir)s/%(warc_file_base)s'),
            '--warc-header', 'operator: Archive Team',
            '--warc-header', 'x-wget-at-project-version: ' + VERSION,
            '--warc-header', 'x-wget-at-project-name: ' + TRACKER_ID,
            '--warc-dedup-url-agnostic',
        ]
        for item_name in item['item_name'].split('\0'):
            wget_args.extend(['--warc-header', 'x-wget-at-project-item-name: ' + item_name])
            wget_args.append('item-name://' + item_name)
            item_type, item_value = item_name.split(':', 1)
            if item_type == 'num':
                wget_args.extend(['--warc-header', 'num-36: ' + self.int_to_str(len(item_value))])
            elif item_type == 'url':
                wget_args.append(item_value)
            else:
                raise Exception('Unknown item')
        item['item_type'] = item_type
        if 'bind_address' in globals():
            wget_args.extend(['--bind-address', globals()['bind_address']])
            print('')
            print('*** Wget will bind address at {0} ***'.format(globals()['bind_address']))
            print('')
        return realize(wget_args, item)


class QuickGet(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = 0.1


project = Project(
    title='Grab',
    project_html='''
    <img class="project-logo" alt="logo" src="https://example.org/logo.png" height="50px"/>
    <h2>example.org <span class="links"><a href="https://example.org/">Website</a> &middot;
    <a href="http://tracker.example.org/grab/">Leaderboard</a></span></h2>
    <p>Archiving everything.</p>
    ''',
    utc_deadline=datetime.datetime(2031, 3, 23, 0, 0, 0)
)

pipeline = Pipeline(
    CheckIP(),
    QuickGet('http://{}/{}/multi={}/'
             .format(TRACKER_HOST, TRACKER_ID, MULTI_ITEM_SIZE),
             downloader, VERSION),
    PrepareDirectories(warc_prefix='grab'),
    WgetDownload(
        WgetArgs(),
        max_tries=1,
        accept_on_exit_code=[0, 4, 8],
        env={
            'item_dir': ItemValue('item_dir'),
            'warc_file_base': ItemValue('warc_file_base'),
            'downloader': downloader,
        }
    ),
    SetBadUrls(),
    PrepareStatsForTracker(
        defaults={'downloader': downloader, 'version': VERSION},
        file_groups={
            'data': [
                ItemInterpolation('%(item_dir)s/%(warc_file_base)s.warc.zst')
            ]
        },
        id_function=stats_id_function,
    ),
    MoveFiles(),
    LimitConcurrent(
        NumberConfigValue(min=1, max=20, default='2', name='shared:rsync_threads',
                          title='Rsync threads',
                          description='The maximum number of concurrent uploads.'),
        MaybeUploadWithTracker(
            'http://%s/%s' % (TRACKER_HOST, TRACKER_ID),
            downloader=downloader,
            version=VERSION,
            files=[
                ItemInterpolation('%(data_dir)s/%(warc_file_base)s.1234567890.warc.zst'),
                ItemInterpolation('%(data_dir)s/%(warc_file_base)s_data.txt')
            ],
            rsync_target_source_path=ItemInterpolation('%(data_dir)s/'),
            rsync_extra_args=[
                '--recursive',
                '--min-size', '1',
                '--no-compress',
                '--compress-level', '0'
            ]
        ),
    ),
    MaybeSendDoneToTracker(
        tracker_url='http://%s/%s' % (TRACKER_HOST, TRACKER_ID),
        stats=ItemValue('stats')
    )
)
