"""Practice: archives the small website that ``run-tracker --practice`` serves.

This is a complete project with the usual structure: get an item from the tracker, create a
folder for it, download into a WARC, compute statistics, upload, and report the item done. Use
it as a starting point for your own project.
"""

import hashlib
import os
import re
import shutil
import time
from distutils.version import StrictVersion
from urllib.parse import urljoin

from seesaw.config import NumberConfigValue, realize
from seesaw.externalprocess import WgetDownload
from seesaw.item import ItemInterpolation, ItemValue
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import LimitConcurrent, SimpleTask
from seesaw.tracker import (
    GetItemFromTracker,
    PrepareStatsForTracker,
    SendDoneToTracker,
    UploadWithTracker,
)
from seesaw.util import find_executable

import seesaw

if StrictVersion(seesaw.__version__) < StrictVersion('0.8.5'):
    raise Exception('This project needs seesaw 0.8.5 or higher.')


# Raise this with every change: the tracker can then turn away copies that are too old.
VERSION = '20261124.01'
USER_AGENT = 'Archive Team practice/' + VERSION
TRACKER_ID = 'practice'

# The tracker's address: --context-value tracker_url=…, else the environment, else the
# default address of run-tracker.
TRACKER_URL = (
    globals().get('tracker_url')
    or os.environ.get('PRACTICE_TRACKER_URL')
    or 'http://127.0.0.1:8900/' + TRACKER_ID
).rstrip('/')

# The practice site is on the tracker's server. A real project sets its site's address here.
SITE_URL = urljoin(TRACKER_URL, '/practice-site/')


###########################################################################
# The program that downloads. It must be a Wget that can write WARC files: 1.14 or later.

WGET = find_executable(
    'Wget',
    re.compile(r'GNU Wget 1\.(1[4-9]|[2-9][0-9])'),
    ['./wget', '/usr/bin/wget', '/usr/local/bin/wget', shutil.which('wget') or 'wget'],
    '--version',
)

if not WGET:
    raise Exception(
        'This project needs GNU Wget 1.14 or later, which was not found. '
        'Install it, for example with: sudo apt-get install wget'
    )


###########################################################################
# The tasks that are specific to this project.


class PrepareDirectories(SimpleTask):
    """Creates the item's folder and chooses a name for its WARC file."""

    def __init__(self, warc_prefix):
        SimpleTask.__init__(self, 'PrepareDirectories')
        self.warc_prefix = warc_prefix

    def process(self, item):
        # An item's name may be any text, even a whole web address, so it must not become a
        # path unchanged. Use only its harmless characters, and a hash to tell items apart.
        item_name = item['item_name']
        item_hash = hashlib.sha1(item_name.encode('utf-8')).hexdigest()[:12]
        readable = re.sub(r'[^A-Za-z0-9]+', '-', item_name).strip('-')[:40]

        item['item_dir'] = os.path.join(item['data_dir'], item_hash)
        item['warc_file_base'] = '-'.join(
            [self.warc_prefix, readable, item_hash, time.strftime('%Y%m%d-%H%M%S')]
        )
        if os.path.isdir(item['item_dir']):
            shutil.rmtree(item['item_dir'])
        os.makedirs(item['item_dir'])
        # Wget takes at most a hundred characters here, so use a relative path.
        item['warc_tempdir'] = os.path.relpath(item['item_dir'])


class MoveFiles(SimpleTask):
    """Moves the finished WARC out of the item's folder, and deletes the rest."""

    def __init__(self):
        SimpleTask.__init__(self, 'MoveFiles')

    def process(self, item):
        os.rename(
            '%(item_dir)s/%(warc_file_base)s.warc.gz' % item,
            '%(data_dir)s/%(warc_file_base)s.warc.gz' % item,
        )
        shutil.rmtree('%(item_dir)s' % item)


class WgetArgs:
    """The command line of the download, made when an item reaches the task."""

    def realize(self, item):
        item_type, _, item_value = item['item_name'].partition(':')
        if item_type != 'practice' or not re.fullmatch(r'[0-9]+', item_value):
            raise ValueError('This version does not know items such as %r' % item['item_name'])
        item['item_url'] = urljoin(SITE_URL, item_value + '/')

        wget_args = [
            WGET,
            '--no-verbose',
            '--user-agent', USER_AGENT,
            '--execute', 'robots=off',
            '--no-check-certificate',
            '--no-cookies',
            # What to follow: everything below the item's address, and what its pages embed.
            '--recursive', '--level', 'inf',
            '--no-parent',
            '--page-requisites',
            # Patience.
            '--timeout', '30',
            '--tries', '5',
            '--waitretry', '5',
            # Only the WARC is kept. The files themselves are only used to find the links.
            '--directory-prefix', ItemInterpolation('%(item_dir)s/files'),
            '--no-directories',
            '--delete-after',
            '--warc-file', ItemInterpolation('%(item_dir)s/%(warc_file_base)s'),
            '--warc-tempdir', ItemInterpolation('%(warc_tempdir)s'),
            '--warc-header', 'operator: Archive Team',
            '--warc-header', 'practice-version: ' + VERSION,
            '--warc-header', ItemInterpolation('practice-item: %(item_name)s'),
        ]

        # For computers with several addresses: --context-value bind_address=…
        if 'bind_address' in globals():
            wget_args.extend(['--bind-address', globals()['bind_address']])
            print('*** Wget will bind address at %s ***' % globals()['bind_address'])

        wget_args.append(item['item_url'])
        return realize(wget_args, item)


def get_hash(filename):
    """Return the SHA-1 of a file, which tells which code sent an item."""
    with open(filename, 'rb') as in_file:
        return hashlib.sha1(in_file.read()).hexdigest()


PIPELINE_SHA1 = get_hash(os.path.join(os.getcwd(), 'pipeline.py'))


def stats_id_function(item):
    """Return what the tracker's operator wants to know about the code that sent an item."""
    return {'pipeline_hash': PIPELINE_SHA1, 'seesaw_version': seesaw.__version__}


###########################################################################
# How the project is shown, and its tasks in order.

project = Project(
    title='Practice',
    project_html='''
        <h2>Practice
          <span class="links">
            <a href="https://wiki.archiveteam.org/">Archive Team</a>
          </span>
        </h2>
        <p>Archives a small website that this computer serves to itself.</p>
    ''',
)

pipeline = Pipeline(
    GetItemFromTracker(TRACKER_URL, downloader, VERSION),
    PrepareDirectories(warc_prefix=TRACKER_ID),
    WgetDownload(
        WgetArgs(),
        max_tries=2,
        # 8: the server answered a page with an error, such as the missing page.
        accept_on_exit_code=[0, 8],
        # 4: the network failed.
        retry_on_exit_code=[4],
    ),
    # The statistics are computed when the file is where it will be uploaded from.
    MoveFiles(),
    PrepareStatsForTracker(
        defaults={'downloader': downloader, 'version': VERSION},
        file_groups={
            'data': [ItemInterpolation('%(data_dir)s/%(warc_file_base)s.warc.gz')],
        },
        id_function=stats_id_function,
    ),
    # Limits how many items upload at once, however many are downloaded.
    LimitConcurrent(
        NumberConfigValue(
            min=1,
            max=20,
            default='2',
            name='shared:rsync_threads',
            title='Upload threads',
            description='The maximum number of concurrent uploads.',
        ),
        UploadWithTracker(
            TRACKER_URL,
            downloader=downloader,
            version=VERSION,
            files=[ItemInterpolation('%(data_dir)s/%(warc_file_base)s.warc.gz')],
            rsync_target_source_path=ItemInterpolation('%(data_dir)s/'),
            rsync_extra_args=['--partial', '--partial-dir', '.rsync-tmp'],
        ),
    ),
    SendDoneToTracker(
        tracker_url=TRACKER_URL,
        stats=ItemValue('stats'),
    ),
)
