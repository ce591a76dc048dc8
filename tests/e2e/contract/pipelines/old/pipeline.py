import time
import os
import os.path
import shutil
import glob
import sys
import fcntl
import subprocess
import functools
import traceback

import seesaw
import seesaw.externalprocess
from distutils.version import StrictVersion
from seesaw.project import *
from seesaw.config import *
from seesaw.item import *
from seesaw.task import *
from seesaw.pipeline import *
from seesaw.externalprocess import *
from seesaw.tracker import *
from seesaw.util import *
from tornado.ioloop import IOLoop, PeriodicCallback

if sys.version_info[0] < 3:
    from urllib2 import urlopen
    exec("print 'old Python'")
else:
    from urllib.request import urlopen

sys.path.insert(0, os.getcwd())
import common

if StrictVersion(seesaw.__version__) < StrictVersion("0.0.15"):
    raise Exception("This pipeline needs seesaw version 0.0.15 or higher.")


# Start the process in a group of its own, so that Ctrl+C does not stop it.
class AsyncPopenFixed(seesaw.externalprocess.AsyncPopen):
    @classmethod
    def ignore_sigint(cls):
        os.setpgrp()

    def run(self):
        self.kwargs["preexec_fn"] = self.ignore_sigint
        raise Exception("nobody else should run this")


seesaw.externalprocess.AsyncPopen = AsyncPopenFixed

VERSION = "20130915.%02d" % int("7")
TRACKER_URL = "http://" + os.environ["TEST_TRACKER_HOST"] + "/old"


class ConditionalWait(Task):
    """Waits a little before each item, without blocking."""

    def __init__(self, seconds):
        Task.__init__(self, "ConditionalWait")
        self.seconds = seconds
        self.waited = 0

    def enqueue(self, item):
        self.start_item(item)
        item.log_output("Waiting %d ms.\n" % (self.seconds * 1000))
        IOLoop.instance().add_timeout(
            datetime.timedelta(seconds=self.seconds),
            functools.partial(self._done, item))

    def _done(self, item):
        self.waited += 1
        item["waited"] = self.waited
        self.complete_item(item)


class PrepareDirectories(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, "PrepareDirectories")

    def process(self, item):
        dirname = "/".join((item["data_dir"], common.escape(item["item_name"])))
        if os.path.isdir(dirname):
            shutil.rmtree(dirname)
        os.makedirs(dirname)
        item["item_dir"] = dirname
        item["warc_file_base"] = "old-%s-%s" % (
            common.escape(item["item_name"]), time.strftime("%Y%m%d-%H%M%S"))
        open("%(item_dir)s/%(warc_file_base)s.warc.gz" % item, "w").close()


class MoveFiles(SimpleTask):
    def __init__(self):
        SimpleTask.__init__(self, "MoveFiles")

    def process(self, item):
        try:
            os.rename("%(item_dir)s/%(warc_file_base)s.warc.gz" % item,
                      "%(data_dir)s/%(warc_file_base)s.warc.gz" % item)
        except OSError:
            traceback.print_exc()
            raise
        shutil.rmtree("%(item_dir)s" % item)


class ExternalPython(ExternalProcess):
    """Feeds a script through standard input, and reads its answers as they come."""

    def __init__(self, name, args, **kwargs):
        ExternalProcess.__init__(self, name, args=args, max_tries=3, retry_delay=0.1,
                                 accept_on_exit_code=[0, 3], **kwargs)

    def stdin_data(self, item):
        return ("print('item', %r)\nprint('RESULT: 42')\nraise SystemExit(3)\n"
                % item["item_name"]).encode("utf-8")

    def on_subprocess_stdout(self, pipe, item, data):
        for line in data.splitlines():
            if line.startswith(b"RESULT: "):
                item["result"] = int(line.split(b": ", 1)[1])
        ExternalProcess.on_subprocess_stdout(self, pipe, item, data)

    def handle_process_result(self, exit_code, item):
        item["exit_code"] = exit_code
        ExternalProcess.handle_process_result(self, exit_code, item)


class UploadByHand(UploadWithTracker):
    DEFAULT_RETRY_DELAY = 0.1

    def process_body(self, body, item):
        data = json.loads(body)
        if "upload_target" not in data:
            item.log_output("Tracker did not provide an upload target.")
            self.schedule_retry(item)
            return
        if re.match("^rsync://", data["upload_target"]):
            inner_task = RsyncUpload(
                data["upload_target"], realize(self.files, item),
                target_source_path=self.rsync_target_source_path,
                bwlimit=self.rsync_bwlimit, extra_args=self.rsync_extra_args, max_tries=1)
        else:
            inner_task = CurlUpload(
                data["upload_target"], realize(self.files[0], item), self.curl_connect_timeout,
                self.curl_speed_limit, self.curl_speed_time, max_tries=1)
        inner_task.on_complete_item = lambda task, item: self.complete_item(item)
        inner_task.on_fail_item = lambda task, item: self.schedule_retry(item)
        inner_task.enqueue(item)


class Done(SendDoneToTracker):
    DEFAULT_RETRY_DELAY = 0.1


project = Project(
    title="Old project",
    project_html="""
      <img class="project-logo" alt="" src="http://archiveteam.example/logo.png" />
      <h2>Old project <span class="links"><a href="http://old.example/">Website</a></span></h2>
    """
)

get_item = GetItemFromTracker(TRACKER_URL + "/", downloader, VERSION)
get_item.retry_delay = 0.1

pipeline = Pipeline(
    get_item,
    ConditionalWait(0.05),
    PrepareDirectories(),
    ExternalPython("Run", [sys.executable, "-u", "-"]),
    ExternalProcess("Size", ["sh", "-c", 'echo record > "$1"', "sh",
                             ItemInterpolation("%(item_dir)s/%(warc_file_base)s.warc.gz")]),
    PrepareStatsForTracker(
        defaults={"downloader": downloader, "version": VERSION},
        file_groups={"data": [ItemInterpolation("%(item_dir)s/%(warc_file_base)s.warc.gz")]},
        id_function=(lambda item: {"result": item["result"], "code": item["exit_code"]})
    ),
    MoveFiles(),
    ConditionalTask(
        lambda item: not item["item_name"].endswith("skip"),
        LimitConcurrent(
            NumberConfigValue(min=1, max=4, default="1", name="old:threads",
                              title="Upload threads", description="At once."),
            UploadByHand(
                TRACKER_URL, downloader=downloader, version=VERSION,
                files=[ItemInterpolation("%(data_dir)s/%(warc_file_base)s.warc.gz")],
                rsync_target_source_path=ItemInterpolation("%(data_dir)s/"),
                rsync_bwlimit=StringConfigValue(name="old:bw", default="0", regex="^[0-9]+$"))
        )
    ),
    Done(tracker_url=TRACKER_URL, stats=ItemValue("stats")),
    PrintItem(),
)
