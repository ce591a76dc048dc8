"""The commands for projects, claims, blocks, targets, keys, exports and backups."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tracker_server import COMMAND
from tracker.cli import main
from tracker.store.store import Store

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def told(ended: subprocess.CompletedProcess[str]) -> Any:
    """What a command printed as JSON, on one line."""
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    assert ended.stdout.count("\n") == 1
    return json.loads(ended.stdout)


def test_projects(run_tracker: Run) -> None:
    """Projects are made with settings, changed, and listed as a table and as JSON."""
    run = run_tracker
    ended = run("create", "p", "--title", "Das Ding", "--requests-per-minute", "9")
    assert ended.returncode == 0 and "title: Das Ding" in ended.stdout
    made = told(run("set", "p", "--min-version", "2", "--pause", "--json"))
    assert (made["title"], made["min_version"], made["paused"]) == ("Das Ding", "2", True)
    assert told(run("projects", "--json")) == [made]
    assert told(run("status", "p", "--json")) == made
    header, row = run("projects").stdout.splitlines()
    assert header.startswith("PROJECT") and row.startswith("p ") and row.endswith("yes")
    assert run("create", "p").returncode == 64
    assert "run-tracker create nope" in run("set", "nope", "--resume").stderr


def test_remove(run_tracker: Run, start_tracker: Callable[..., Any]) -> None:
    """Without --yes, the command only says what would be lost. With it, the running server does not
    know the project any more, and other projects stay as they were."""
    for project in "p", "q":
        run_tracker("add", project, "-", given="a\nb\nc\n")
    client = start_tracker().client()
    client.request("p", multi=2)
    client.done("p", "a")
    ended = run_tracker("remove", "p")
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "p has 1 to do, 1 out, 1 done" in ended.stderr and "--yes" in ended.stderr
    assert client.status("p")["done"] == 1
    assert told(run_tracker("remove", "p", "--yes", "--json")) == {
        "removed": "p", "todo": 1, "out": 1, "done": 1,
    }  # fmt: skip
    assert client.post("/p/request", {"downloader": "SOMEONE"})[0] == 400
    assert client.done("p", "b")[0] == 400
    assert client.status("q")["todo"] == 3
    assert run_tracker("remove", "p", "--yes").returncode == 64
    assert run_tracker("add", "p", "-", given="a\n").stdout.startswith("p is a new project.")
    assert client.request("p", multi=9) == ["a"]
    assert run_tracker("remove", "q", "--yes").stdout == "q is removed: 3 to do, 0 out, 0 done\n"


def test_no_projects_yet(run_tracker: Run) -> None:
    """An empty list says what to do. If there is no tracker at all, the status is 73 and none is
    made."""
    assert run_tracker("projects").returncode == 73
    run_tracker("keys", "make", "me")
    assert "run-tracker create" in run_tracker("projects").stdout
    assert told(run_tracker("projects", "--json")) == []


def test_add_reports_bad_lines(run_tracker: Run) -> None:
    """Bad lines are left out and counted, and the first ones are reported with their numbers, in
    JSON too; the other lines are queued."""
    given = b"a\n" + b"\xff\n" * 30 + b"b\n"
    ended = run_tracker("add", "p", "-", given=given)
    assert ended.returncode == 65
    assert ended.stdout == (
        "p is a new project.\np: 2 new, 0 already there, 30 bad lines left out\n"
    )
    lines = ended.stderr.splitlines()
    assert lines[0] == "run-tracker: standard input, line 2: This is not UTF-8."
    assert lines[-1] == "run-tracker: standard input: 10 more bad lines."
    ended = run_tracker("add", "p", "-", "--json", given=b"b\nx\0\n")
    account = json.loads(ended.stdout)
    assert (ended.returncode, account["new"], account["known"], account["bad_count"]) == (65, 0, 1, 1)
    assert account["bad"][0]["line"] == 2


def test_add_reports_a_new_project(run_tracker: Run) -> None:
    """The output says that a project is new, because its name may be mistyped. A file that cannot
    be read makes no project."""
    ended = run_tracker("add", "shops", "/nonexistent")
    assert ended.returncode == 66 and "new project" not in ended.stdout
    assert run_tracker("status", "shops").returncode == 64
    ended = run_tracker("add", "shops", "-", "-", given="a\n")
    assert ended.stdout == "shops is a new project.\nshops: 1 new, 0 already there\n"
    assert run_tracker("add", "shops", "-", given="b\n").stdout == "shops: 1 new, 0 already there\n"
    assert told(run_tracker("add", "shops", "-", "--json", given="c\n"))["created"] is False
    assert told(run_tracker("add", "shoops", "-", "--json", given="c\n"))["created"] is True


def test_claims_and_release(run_tracker: Run, start_tracker: Callable[..., Any]) -> None:
    """Claims are listed and released while the server runs; a release prints how many."""
    run_tracker("add", "p", "-", given="a\nb\nc\n\x1b[2Jd\n")
    client = start_tracker().client()
    client.request("p", "ONE", multi=2)
    client.request("p", "TWO", multi=2)
    table = run_tracker("claims", "p").stdout
    assert table.startswith("ITEM") and table.count("\n") == 5 and "\x1b" not in table
    listed = told(run_tracker("claims", "p", "--downloader", "ONE", "--json"))
    assert [claim["name"] for claim in listed] == ["a", "b"]
    cut = run_tracker("claims", "p", "--limit", "1")
    assert cut.stdout.count("\n") == 2 and "more than these 1" in cut.stderr
    assert run_tracker("claims", "p", "--older-than", "1h").stdout == "No such claims.\n"
    assert run_tracker("release", "p", "--older-than", "1h").stdout == "p: 0 released\n"
    assert run_tracker("release", "p", "--pattern", "[ab]").stdout == "p: 2 released\n"
    assert client.status("p")["todo"] == 2
    ended = run_tracker("release", "p", "--all", "--for", "SIX", "--json")
    assert told(ended) == {"project": "p", "released": 2}
    assert client.request("p", "SIX", multi=9) == ["c", "\x1b[2Jd", "a", "b"]
    assert client.done("p", "a\0b", "SIX") == (200, "OK\n")
    assert run_tracker("redo", "p", "--pattern", "b").stdout == "p: 1 to be done again\n"
    assert told(run_tracker("redo", "p", "--all", "--json"))["to_be_done_again"] == 1
    assert client.request("p", "TWO", multi=9) == ["b", "a"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["release", "p"], ["release", "p", "--all", "--pattern", "*"], ["release", "nope", "--all"],
        ["redo", "p"], ["redo", "p", "--all", "--downloader", "SIX"], ["redo", "nope", "--all"],
        ["claims", "p", "--older-than", "5"], ["claims", "p", "--limit", "0"], ["claims"],
        ["create"], ["create", "_admin"], ["create", "q", "--requests-per-minute", "x"],
        ["remove", "p"], ["remove", "nope", "--yes"], ["set", "p", "--title", "a\nb"], ["set", "p", "--pause", "--resume"],
        ["blocks", "add"], ["blocks", "add", "a b"], ["blocks", "remove", "SOMEONE"],
        ["blocks", "add", "SOMEONE", "--project", "nope"], ["blocks", "dance"],
        ["targets", "add", "ftp://a.example/"], ["targets", "remove", "http://a.example/"],
        ["targets", "change", "http://a.example/"], ["targets", "add", "http://a.example/", "--weight", "0"],
        ["keys", "make", "a b"], ["keys", "revoke", "nope"], ["export", "p", "--since", "x"],
        ["export", "nope"], ["backup", "."], ["add", "p", "-", "--queue", "x"],
        ["add", "p", "-", "--for", "a b"], ["add", "p", "-", "--for", "SIX", "--queue", "redo"],
    ],
)  # fmt: skip
def test_bad_usage(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad usage gives 64 and a sentence, prints nothing else, and changes nothing."""
    store = Store(tmp_path / "tracker.sqlite3")
    store.add("p", ["a"])
    before = list(store.connection.iterdump())
    assert here(tmp_path, arguments) == 64
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith(("run-tracker: ", "usage: "))
    assert list(store.connection.iterdump()) == before
    store.close()


def here(data_dir: Path, arguments: list[str]) -> int | str | None:
    """Run a command in this process; return its exit status."""
    try:
        return main(["--data-dir", str(data_dir), *arguments])
    except SystemExit as ended:
        return ended.code


def test_blocks_targets_and_keys(run_tracker: Run) -> None:
    """Each can be added, listed for people and for scripts, and removed."""
    run = run_tracker
    run("create", "p")
    assert "every project" in run("blocks", "add", "192.0.2.7", "--reason", "too many").stdout
    assert "192.0.2.7/32" in run("blocks").stdout
    assert told(run("blocks", "list", "--json"))[0]["reason"] == "too many"
    assert told(run("blocks", "remove", "192.0.2.7", "--json")) == {"removed": "192.0.2.7"}
    assert run("blocks").stdout == "Nobody is blocked.\n"
    url = "rsync://a.example/m/"
    assert run("targets", "add", url, "--project", "p", "--inactive").stdout.endswith("inactive\n")
    assert told(run("targets", "change", url, "--project", "p", "--weight", "4", "--active", "--json"))[
        "weight"
    ] == 4
    assert "weight 4" not in run("targets").stdout and url in run("targets").stdout
    assert run("targets", "remove", url).returncode == 64  # it is p's, not everyone's
    assert run("targets", "remove", url, "--project", "p").returncode == 0
    assert "this server" in run("targets").stdout
    key = run("keys", "make", "me").stdout
    assert len(key.strip()) >= 43
    assert "me" in run("keys").stdout and key.strip() not in run("keys").stdout
    assert told(run("keys", "--json"))[0]["name"] == "me"
    assert run("keys", "revoke", "me").returncode == 0
    assert told(run("keys", "--json")) == []


def test_export(run_tracker: Run, start_tracker: Callable[..., Any]) -> None:
    """The export has everything that was reported; a reader that stops early causes no error."""
    run_tracker("add", "p", "-", given="".join(f"item-{n}\n" for n in range(3000)))
    client = start_tracker().client()
    for _ in range(3):
        names = client.request("p", multi=1000)
        assert client.done("p", "\0".join(names)) == (200, "OK\n")
    lines = run_tracker("export", "p").stdout.splitlines()
    assert [len(json.loads(line)["items"]) for line in lines] == [1000] * 3
    assert json.loads(lines[0])["stats"]["bytes"] == {"data": 1}
    assert run_tracker("export", "p", "--since", "2100-01-01").stdout == ""
    data_dir = client_data_dir(run_tracker)
    script = f"{' '.join(COMMAND)} --data-dir {data_dir} export p | head -c 10"
    ended = subprocess.run(["sh", "-c", script], capture_output=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == (lines[0][:10].encode(), b"")


def client_data_dir(run_tracker: Run) -> str:
    """The data folder that the commands of this test use."""
    arguments: list[str] = run_tracker("projects").args
    return arguments[arguments.index("--data-dir") + 1]


def test_backup_while_it_serves(
    run_tracker: Run, start_tracker: Callable[..., Any], tmp_path: Path
) -> None:
    """Another server can use a copy that was made while the first server runs."""
    run_tracker("add", "p", "-", given="a\nb\nc\n")
    client = start_tracker().client()
    client.request("p")
    copy = tmp_path / "other" / "tracker.sqlite3"
    made = told(run_tracker("backup", str(copy), "--json"))
    assert (made["items"], made["projects"], made["file"]) == (3, 1, str(copy))
    client.request("p")
    other = start_tracker(data_dir=tmp_path / "other").client()
    assert other.status("p") == {"project": "p", "todo": 2, "out": 1, "done": 0}
    assert client.status("p")["out"] == 2
    ended = run_tracker("backup")
    assert ended.returncode == 0 and "projects: 1, items: 3" in ended.stdout
    assert len(list((tmp_path / "data" / "backups").iterdir())) == 1


def test_a_newer_database(run_tracker: Run, tmp_path: Path) -> None:
    """Every command refuses a newer version's database with 78, and says what to do."""
    run_tracker("create", "p")
    database = sqlite3.connect(tmp_path / "data" / "tracker.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    for arguments in (["projects"], ["add", "p", "-"], ["backup"], ["--port", "0"]):
        ended = run_tracker(*arguments)
        assert ended.returncode == 78 and "Update this program" in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["serve"], ["projects"], ["create"], ["set"], ["remove"], ["add"], ["status"], ["export"], ["claims"],
        ["release"], ["redo"], ["targets"], ["targets", "add"], ["blocks"], ["blocks", "add"], ["keys"],
        ["keys", "make"], ["backup"],
    ],
)  # fmt: skip
def test_each_has_a_help(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command has a --help and is in the list of commands."""
    assert here(tmp_path, [*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: run-tracker") and len(text) > 150
    assert here(tmp_path, ["--help"]) == 0
    assert command[0] in capsys.readouterr().out


def test_any_terminal_can_show_it(run_tracker: Run, tmp_path: Path) -> None:
    """Characters that the terminal does not have are escaped."""
    run_tracker("create", "p", "--title", "日本語")
    ended = subprocess.run(
        [*COMMAND, "--data-dir", str(tmp_path / "data"), "projects"],
        env={"PYTHONIOENCODING": "ascii", "PATH": str(Path(sys.executable).parent)},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0 and b"\\u65e5" in ended.stdout
