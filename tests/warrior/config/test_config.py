"""The operator's options: where they can be set, and which setting wins."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest

from warrior.config.config import ConfigurationError, OperatorProject, WarriorOptions, read_options
from warrior.config.config_file import ConfigFile
from warrior.config.options import OPTIONS
from warrior.process import resources

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "warrior.conf.example"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class Read:
    """Reads options with a file and an environment for one test."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "etc" / "warrior.conf"
        self.file.parent.mkdir()
        self.environment = {"HOME": str(folder / "home")}

    def __call__(self, *arguments: str, text: str | None = None, **environment: str
                 ) -> WarriorOptions:
        if text is not None:
            self.file.write_text(text, encoding="utf-8")
        self.environment.update(environment)
        return read_options(arguments, self.environment, default_file=str(self.file))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


# -- the example is the defaults -----------------------------------------------------------
def test_defaults_come_from_the_example(read: Read, home: Path) -> None:
    """Without a file, an environment or arguments."""
    state = str(home / ".local/share/archive-warrior")
    assert read() == WarriorOptions(
        config_file="", state_dir=state, projects_dir="", settings_file=f"{state}/settings.json",
        data_dir=f"{state}/data", warrior_hq="https://warriorhq.archiveteam.org", address="",
        port=8001, http_username="", http_password="", insecure_no_password=False, host_names=(),
        password_on_command_line=False, keep_data=False, real_shutdown=False, warrior_build="",
        public_url="", proxy_addresses=(), max_concurrent_items=6, grace_time=240.0,
        min_free_disk=1024 ** 3, shipped_projects=True, projects=(), seeds={})


def test_the_example_holds_every_option_with_a_comment() -> None:
    """Each option appears once, and its comment begins with a sentence."""
    example = ConfigFile(str(EXAMPLE))
    assert example.sections() == ["warrior"]
    assert list(example["warrior"]) == [option.name for option in OPTIONS]
    for name in example["warrior"]:
        assert re.fullmatch(r"\w.*\.", example.comment("warrior", name)), name
    fields = {field.name for field in dataclasses.fields(WarriorOptions)}
    derived = {"config_file", "settings_file", "password_on_command_line", "projects", "seeds"}
    assert set(example["warrior"]) == fields - derived


def test_the_example_itself_is_a_configuration(read: Read) -> None:
    """A copy changes nothing; without its '#', the project in it is valid too."""
    defaults = read()
    text = EXAMPLE.read_text(encoding="utf-8")
    assert dataclasses.replace(read(text=text), config_file="") == defaults
    head, _, project = text.partition("# [project my-project]\n")
    project = re.sub(r"(?m)^# ", "", "# [project my-project]\n" + project)
    (found,) = read(text=head + project).projects
    assert found == OperatorProject("my-project", "https://git.example/my-project.git",
                                    "My project", "Saves what would be lost.")


def test_the_example_is_found() -> None:
    """The package and the top of the tree have the same file."""
    assert os.path.samefile(resources.conf_example(), EXAMPLE)


# -- precedence ----------------------------------------------------------------------------
def test_file_environment_command_line(read: Read) -> None:
    """Each overrides the one before it."""
    assert read(text="[warrior]\nport = 1\n").port == 1
    assert read(WARRIOR_PORT="2").port == 2
    assert read("--port", "3").port == 3
    assert read("--port=0").port == 0


def test_a_yes_can_be_undone(read: Read) -> None:
    """Flags have a --no- form; the environment can also set them."""
    assert read("--keep-data").keep_data
    assert read(text="[warrior]\nkeep_data = yes\n").keep_data
    assert not read("--no-keep-data").keep_data
    assert not read(WARRIOR_KEEP_DATA="off").keep_data
    assert read("--keep-data").keep_data


def test_an_empty_variable_counts_as_not_set(read: Read) -> None:
    """Containers pass all variables, most of them empty."""
    options = read(text="[warrior]\nport = 5\n", WARRIOR_PORT="", DOWNLOADER="", WARRIOR_CONFIG="")
    assert options.port == 5 and options.seeds == {}


def test_empty_values_take_a_default_away(read: Read) -> None:
    """In the file and on the command line; here, no HQ is asked."""
    assert read(text="[warrior]\nwarrior_hq =\n").warrior_hq == ""
    assert read("--warrior-hq", "", text="").warrior_hq == ""


def test_old_command_line(read: Read, tmp_path: Path) -> None:
    """Existing images and units use these options."""
    options = read(
        "--projects-dir", "p", "--data-dir", str(tmp_path / "d"), "--warrior-hq",
        "http://hq.example/", "--address", "0.0.0.0", "--port", "8001", "--http-username", "u",
        "--http-password", "secret", "--keep-data", "--real-shutdown", "--warrior-build", "img 7")
    assert options.projects_dir == options.state_dir == os.path.abspath("p")
    assert options.settings_file == os.path.abspath("p/config.json")
    assert options.data_dir == str(tmp_path / "d")
    assert (options.warrior_hq, options.address) == ("http://hq.example", "0.0.0.0")
    assert (options.http_username, options.http_password) == ("u", "secret")
    assert options.keep_data and options.real_shutdown and options.warrior_build == "img 7"
    assert options.password_on_command_line


# -- files ---------------------------------------------------------------------------------
def test_which_file_is_read(read: Read, tmp_path: Path) -> None:
    """--config, else WARRIOR_CONFIG, else the default file."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.write_text("[warrior]\nport = 1\n")
    theirs.write_text("[warrior]\nport = 2\n")
    options = read("--config", str(mine), text="[warrior]\nport = 3\n", WARRIOR_CONFIG=str(theirs))
    assert (options.port, options.config_file) == (1, str(mine))
    assert read().port == 2
    assert read(WARRIOR_CONFIG="").config_file == str(read.file)


def test_a_named_file_must_be_there(read: Read, tmp_path: Path) -> None:
    """Only the default file may be missing."""
    gone = str(tmp_path / "gone")
    with pytest.raises(ConfigurationError, match=f"{gone} cannot be read: No such file"):
        read("--config", gone)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(WARRIOR_CONFIG=gone)
    with pytest.raises(ConfigurationError, match="is not a file"):
        read("--config", str(tmp_path))
    with pytest.raises(ConfigurationError, match="is not a file"):
        read("--config", "/dev/zero")


def test_the_usual_file_is_not_missing_when_it_is_a_dead_link(read: Read) -> None:
    """A dead link is an error: somebody wanted to configure something."""
    read.file.symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read()


@pytest.mark.parametrize(("content", "sentence"), [
    (b"[warrior]\nport = 1\n\xff", "line 3: this is not text in UTF-8"),
    (b"[warrior]\n\nport = \0", "line 3: this is not text"),
    (b"#" * (1024 * 1024 + 1), "is longer than"),
])
def test_files_that_are_no_text(read: Read, content: bytes, sentence: str) -> None:
    """A sentence, never a traceback."""
    read.file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        read()


def test_how_a_file_may_be_written(read: Read) -> None:
    """Windows line ends, a byte order mark, spaces (which never continue the value above), and
    signs in values."""
    read.file.write_bytes(
        "\ufeff# one\r\n[ warrior ]\r\n  port=7\r\n; two\r\n"
        "http_password = #a = b; c: \u00fc [d]  \r\n"
        "      keep_data = yes\r\n".encode())
    options = read()
    assert (options.port, options.http_password) == (7, "#a = b; c: \u00fc [d]")
    assert options.keep_data


@pytest.mark.parametrize(("text", "sentence"), [
    ("port = 1", "line 1: no section begins in or above this line. Put [warrior]"),
    ("[warrior]\nprot = 1", "line 2: there is no option 'prot'. Did you mean port? Allowed are: "
                            "state_dir, projects_dir"),
    ("[warrior]\n\n# x\nport = abc", "line 4: port must be a whole number from 0 to 65535, "
                                     "not 'abc'."),
    ("[warrior]\nport =", "line 2: port must be a whole number"),
    ("[warrior]\nport = 65536", "not '65536'"),
    ("[warrior]\nport = -1", "not '-1'"),
    ("[warrior]\nport = " + "9" * 5000, "must be a whole number"),
    ("[warrior]\nport = 1\nport = 2", "line 3: port appears twice; the first one is in line 2"),
    ("[warrior]\nkeep_data = maybe", "line 2: keep_data must be yes or no, not 'maybe'."),
    ("[warrior]\nmax_concurrent_items = 0", "a whole number from 1 to 1000, not '0'"),
    ("[warrior]\ngrace_time = -1", "a time of at most a day, such as 240, 4 min or 1 h"),
    ("[warrior]\ngrace_time = 25 h", "not '25 h'"),
    ("[warrior]\ngrace_time = nan", "not 'nan'"),
    ("[warrior]\nmin_free_disk = 1 gigabyte", "such as 0, 500 MB or 1 GiB, not '1 gigabyte'"),
    ("[warrior]\nwarrior_hq = hq.example", "an address such as https://hq.example, or empty"),
    ("[warrior]\nwarrior_hq = file:///etc", "not 'file:///etc'"),
    ("[warrior]\nwarrior_hq = http://[::1", "not 'http://[::1'"),
    ("[warrior]\naddress = http://0.0.0.0", "an address or a name of this machine"),
    ("[warrior]\nhost_names = a:80", "without port or https://"),
    ("[warrior]\npublic_url = w.example", "https://home.example/warrior, or empty"),
    ("[warrior]\npublic_url = https://w.example/a?b", "https://home.example/warrior, or empty"),
    ("[warrior]\npublic_url = https://u:p@w.example", "https://home.example/warrior, or empty"),
    ("[warrior]\npublic_url = https://w.example/a//b", "https://home.example/warrior, or empty"),
    ("[warrior]\npublic_url = https://w.example/../b", "https://home.example/warrior, or empty"),
    ("[warrior]\npublic_url = https://w.example/%20", "https://home.example/warrior, or empty"),
    ("[warrior]\nproxy_addresses = proxy.example", "addresses or networks such as 192.0.2.7"),
    ("[warrior]\nhttp_username = a:b", "a name without ':'"),
    ("[warrior]\nwarrior_build = \u00fc", "at most 100 printable ASCII characters"),
    ("[warrior]\nprojects = x", "there is no option 'projects'"),
    ("[warriors]\nport = 1", "line 1: there is no section [warriors]. [warrior] and [project "
                             "NAME] are allowed."),
    ("[project]\nrepository = x", "there is no section [project]"),
    ("[warrior x]\nport = 1", "there is no section [warrior x]"),
    ("[project a b]\nrepository = x", "line 1: no section begins in or above this line"),
    ("[warrior\nport = 1", "line 1: no section begins in or above this line. Put [warrior] or "
                           "[project NAME] above the options."),
    ("[warrior]\nport = 1\n[project a b]", "line 3: this is neither an option nor a section"),
    ("[warrior]\n\nport", "line 3: this is neither an option nor a section. Write NAME = VALUE"),
    ("[warrior]\n[project a=b", "line 2: this is neither an option nor a section"),
    ("[warrior] port = 1", "line 1: no section begins"),
    ("[warrior]\n[warrior]", "line 2: the section [warrior] appears twice; the first one is in "
                             "line 1"),
    ("[project auto]\nrepository = x", "'auto' cannot be the name of a project"),
    ("[project ../x]\nrepository = x", "'../x' cannot be the name of a project"),
    ("[project a]\ntitle = x", "line 1: the project a has no repository"),
    ("[project a]\nrepository =", "line 2: repository must be an address that git can clone"),
    ("[project a]\nrepository = --upload-pack=x", "line 2: repository must be"),
    ("[project a]\nrepository = ext::sh -c x", "line 2: repository must be"),
    ("[project a]\nurl = x", "line 2: there is no option 'url'. Allowed are: repository, title, "
                             "description."),
])
def test_what_a_file_must_not_hold(read: Read, text: str, sentence: str) -> None:
    """The error names the file, the line, the value, and the allowed values."""
    with pytest.raises(ConfigurationError) as refused:
        read(text=text + "\n")
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(f"{read.file}, line ")


def test_projects_of_the_operator(read: Read, home: Path) -> None:
    """Addresses stay unchanged; paths become absolute."""
    options = read(text="\n".join([
        "[project one]", "repository = https://git.example/one.git", "title = One, two = three",
        "[project two]", "repository = git@git.example:two.git", "description = <b>x</b>",
        "[project three]", "repository = ../three", "[project four]", "repository = ~/four"]))
    assert options.projects == (
        OperatorProject("one", "https://git.example/one.git", "One, two = three"),
        OperatorProject("two", "git@git.example:two.git", description="<b>x</b>"),
        OperatorProject("three", str(read.file.parent.parent / "three")),
        OperatorProject("four", str(home / "four")))


# -- values --------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), ("240", 240), ("1.5 s", 1.5), ("4min", 240), ("4 MIN", 240), ("1 h", 3600)])
def test_durations(read: Read, text: str, seconds: float) -> None:
    """In seconds, or with a unit."""
    assert read("--grace-time", text).grace_time == seconds


@pytest.mark.parametrize(("text", "count"), [
    ("0", 0), ("1073741824", 2 ** 30), ("500 MB", 500 * 10 ** 6), ("1 GiB", 2 ** 30),
    ("1.5 KiB", 1536), ("2 tb", 2 * 10 ** 12), ("10 B", 10), ("1kB", 1000)])
def test_sizes(read: Read, text: str, count: int) -> None:
    """In bytes, or with a decimal or binary unit."""
    assert read("--min-free-disk", text).min_free_disk == count


def test_names_of_hosts_and_addresses(read: Read) -> None:
    """Commas and spaces separate; brackets around an IPv6 address are not needed."""
    options = read("--host-names", "warrior.example, box  Box2", "--address", "[::]")
    assert options.host_names == ("warrior.example", "box", "Box2")
    assert options.address == "::"


# -- folders -------------------------------------------------------------------------------
def test_a_proxy(read: Read) -> None:
    """The address has no slash at its end; networks are in their canonical form."""
    options = read("--public-url", "https://home.example/at/",
                   "--proxy-addresses", "192.0.2.7, 10.1.2.3/8 ::1")
    assert options.public_url == "https://home.example/at"
    assert options.proxy_addresses == ("192.0.2.7/32", "10.0.0.0/8", "::1/128")


def test_paths_of_a_file_start_at_its_folder(read: Read, home: Path) -> None:
    """Not at the working directory, at which paths of the command line start."""
    options = read(text="[warrior]\nstate_dir = here\ndata_dir = ~/data\n")
    assert options.state_dir == str(read.file.parent / "here")
    assert options.settings_file == str(read.file.parent / "here" / "settings.json")
    assert options.data_dir == str(home / "data")
    assert read("--state-dir", "here").state_dir == os.path.abspath("here")


def test_state_folder_of_the_unit(read: Read, tmp_path: Path) -> None:
    """It replaces the default, but nothing that the operator has set."""
    assert read(STATE_DIRECTORY="/var/lib/warrior:/x").state_dir == "/var/lib/warrior"
    options = read("--projects-dir", "/p")
    assert (options.state_dir, options.settings_file) == ("/var/lib/warrior", "/p/config.json")
    assert read("--state-dir", "/s").state_dir == "/s"
    assert read(text="[warrior]\nstate_dir = /s\n").state_dir == "/s"


def test_a_copy_of_the_example_does_not_stand_in_the_way(read: Read) -> None:
    """The copy contains the default, but the unit's folder still wins."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert read("--projects-dir", "/p", text=text).state_dir == "/p"
    assert read(STATE_DIRECTORY="/var/lib/warrior").state_dir == "/var/lib/warrior"
    default = "~/.local/share/archive-warrior"
    assert read(WARRIOR_STATE_DIR=default).state_dir.endswith("/home/.local/share/archive-warrior")


def test_projects_folder_and_state_folder(read: Read) -> None:
    """The settings stay in the old folder; everything else is in the state folder."""
    options = read("--projects-dir", "/p", "--state-dir", "/s")
    assert (options.state_dir, options.data_dir) == ("/s", "/s/data")
    assert options.settings_file == "/p/config.json"


def test_an_unknown_home(read: Read) -> None:
    """The home folder of an unknown user is an error."""
    with pytest.raises(ConfigurationError, match="home folder in ~nobody-of-that-name/x is unknown"):
        read("--state-dir", "~nobody-of-that-name/x")


# -- environment ---------------------------------------------------------------------------
def test_seeds(read: Read) -> None:
    """The container's variables, by the keys of the settings."""
    options = read(WARRIOR_ID="id", DOWNLOADER="nick", SELECTED_PROJECT="auto",
                   CONCURRENT_ITEMS="3", SHARED_RSYNC_THREADS="20", HTTP_USERNAME="u",
                   HTTP_PASSWORD="sec ret ")
    assert options.seeds == {
        "warrior_id": "id", "downloader": "nick", "selected_project": "auto",
        "concurrent_items": "3", "shared:rsync_threads": "20", "http_username": "u",
        "http_password": "sec ret "}
    assert options.http_password == ""


def test_passwords_leave_the_environment_and_show_nowhere(read: Read) -> None:
    """Also after an error; and no repr contains them."""
    options = read(HTTP_USERNAME="u1", HTTP_PASSWORD="secret1", WARRIOR_HTTP_USERNAME="u2",
                   WARRIOR_HTTP_PASSWORD="secret2")
    assert set(read.environment) == {"HOME"}
    assert (options.http_username, options.http_password) == ("u2", "secret2")
    assert not options.password_on_command_line
    assert "secret" not in repr(options)
    with pytest.raises(ConfigurationError):
        read(HTTP_PASSWORD="secret1", WARRIOR_PORT="x")
    assert "HTTP_PASSWORD" not in read.environment


@pytest.mark.parametrize("text", [
    "[warrior]\nhttp_password = secret\nhttp_password = secret",
    "[warrior]\nhttp_password secret", "[warrior]\nhttp_password secret = x",
    "[warrior]\n = secret", "[warrior]\nhttp_password: secret",
])
def test_no_sentence_repeats_a_password(read: Read, text: str) -> None:
    """Not even the error about a malformed line."""
    with pytest.raises(ConfigurationError) as refused:
        read(text=text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("WARRIOR_PROT", "1", "The environment has WARRIOR_PROT, and there is no such option. Did you "
                          "mean WARRIOR_PORT? Allowed are: WARRIOR_STATE_DIR"),
    ("WARRIOR_PORT", "x", "WARRIOR_PORT in the environment must be a whole number from 0 to "
                          "65535, not 'x'."),
    ("WARRIOR_REAL_SHUTDOWN", "x", "must be yes or no, not 'x'"),
])
def test_what_the_environment_must_not_hold(
    read: Read, name: str, value: str, sentence: str
) -> None:
    """The error names the variable, its value, and the allowed values."""
    with pytest.raises(ConfigurationError) as refused:
        read(**{name: value})
    assert sentence in str(refused.value)


def test_variables_of_options_that_begin_with_warrior(read: Read) -> None:
    """Their variables contain WARRIOR only once."""
    options = read(WARRIOR_HQ="http://hq.example", WARRIOR_BUILD="b")
    assert (options.warrior_hq, options.warrior_build) == ("http://hq.example", "b")


def test_what_kubernetes_says_of_a_service_named_warrior(read: Read) -> None:
    """Every container of its namespace has these variables; they are ignored."""
    options = read(WARRIOR_SERVICE_HOST="10.0.0.1", WARRIOR_SERVICE_PORT="8001",
                   WARRIOR_SERVICE_PORT_HTTP="8001", WARRIOR_PORT="tcp://10.0.0.1:8001",
                   WARRIOR_PORT_8001_TCP="tcp://10.0.0.1:8001",
                   WARRIOR_PORT_8001_TCP_ADDR="10.0.0.1")
    assert options.port == 8001


# -- command line --------------------------------------------------------------------------
@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--bogus"], "there is no option --bogus"),
    (["--http-pasword=secret"], "there is no option --http-pasword (see --help)"),
    (["--http-pasword", "secret"], "there is no option --http-pasword"),
    (["--po", "1"], "there is no option --po"),
    (["--port", "x"], "argument --port: must be a whole number from 0 to 65535, not 'x'"),
    (["--port"], "argument --port: expected one argument"),
    (["--http-password"], "argument --http-password: expected one argument"),
    (["secret"], "there are words that belong to no option"),
    (["--keep-data=maybe"], "argument --keep-data"),
])
def test_wrong_usage(
    read: Read, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 64, the usage, and one line that does not repeat a possible password."""
    with pytest.raises(SystemExit) as ended:
        read(*arguments)
    assert ended.value.code == 64
    said = capsys.readouterr().err
    assert said.startswith("usage: run-warrior")
    assert sentence in said.splitlines()[-1]
    assert "secret" not in said


def test_help(read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option, and the exit statuses."""
    with pytest.raises(SystemExit) as ended:
        read("--help")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for option in OPTIONS:
        assert option.switch in said
    words = " ".join(said.split())
    for status in (0, 1, 64, 69, 73, 75, 78):
        assert re.search(rf"[:;] {status} \w", words), status


def test_version(read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with the API level, as that of run-pipeline does."""
    with pytest.raises(SystemExit) as ended:
        read("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("0.10.3 (archive-warrior ")
