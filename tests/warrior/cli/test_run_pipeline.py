"""What run-pipeline accepts, and how it refuses the rest."""

from __future__ import annotations

import pytest

from warrior.cli.run_pipeline import is_loopback, parse_pipeline_options
from warrior.standalone.options import PipelineOptions


def parse(*arguments: str, **environment: str) -> PipelineOptions:
    return parse_pipeline_options(list(arguments), environment)


def test_defaults() -> None:
    """Two words are enough."""
    options = parse("pipeline.py", "someone")
    assert (options.pipeline, options.downloader) == ("pipeline.py", "someone")
    assert (options.concurrent, options.max_items, options.stop_file) == (1, None, "STOP")
    assert options.web_server and not options.keep_data
    assert (options.address, options.port) == ("", 8001)
    assert options.context_values == {}


@pytest.mark.parametrize("arguments", [
    "--concurrent 3 --port 0 p.py someone", "p.py --concurrent 3 someone --port 0",
    "p.py someone --concurrent 3 --port=0", "--concurrent=3 --port 0 -- p.py someone",
])
def test_options_may_stand_anywhere(arguments: str) -> None:
    """Before, between and after the two words."""
    options = parse(*arguments.split())
    assert (options.pipeline, options.downloader) == ("p.py", "someone")
    assert (options.concurrent, options.port) == (3, 0)


def test_nickname_that_begins_with_a_dash() -> None:
    """The contract allows it; ``--`` lets it through."""
    assert parse("p.py", "--", "-_-").downloader == "-_-"
    assert parse("--", "p.py", "-_-").downloader == "-_-"


@pytest.mark.parametrize(("arguments", "sentence"), [
    ("", "PIPELINE and DOWNLOADER are missing"),
    ("p.py", "DOWNLOADER, your nickname, is missing"),
    ("p.py someone else", "these are more"),
    ("--bogus", "there is no option --bogus"),
    ("p.py someone --bogus=3", "there is no option --bogus=3"),
    ("p.py someone --auto-updates", "there is no option --auto-updates"),
    ("p.py someone --conc 3", "there is no option --conc"),
    ("p.py someone --concurrent 0", "'0' is not a whole number from 1 to 1000000"),
    ("p.py someone --concurrent two", "'two' is not a whole number from 1 to 1000000"),
    ("p.py someone --concurrent", "expected one argument"),
    ("p.py someone --max-items 0", "'0' is not a whole number from 1 to 1000000"),
    ("p.py someone --port 65536", "'65536' is not a whole number from 0 to 65535"),
    ("p.py someone --context-value a", "'a' is not NAME=TEXT"),
    ("p.py someone --context-value 1a=b", "'1a' is not a valid name"),
    ("p.py someone --context-value class=b", "'class' is not a valid name"),
    ("p.py someone --context-value downloader=b", "'downloader' is already taken"),
    ("p.py someone --context-value __name__=b", "'__name__' is already taken"),
    ("p.py ab", "'ab' is not a nickname"),
    ("p.py some.one", "'some.one' is not a nickname"),
    ("p.py " + "a" * 31, "is not a nickname"),
    ("p.py müller", "'müller' is not a nickname"),
])
def test_wrong_usage(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 64, the usage, and one line that names what is wrong."""
    with pytest.raises(SystemExit) as ended:
        parse(*arguments.split())
    assert ended.value.code == 64
    said = capsys.readouterr().err
    assert said.startswith("usage: run-pipeline")
    assert sentence in said.splitlines()[-1]


def test_nickname_with_a_newline_is_refused() -> None:
    """``$`` of a regular expression would let it through."""
    with pytest.raises(SystemExit) as ended:
        parse("p.py", "someone\n")
    assert ended.value.code == 64


def test_context_values_keep_their_text() -> None:
    """Everything after the first ``=`` is the value; a later one of a name wins."""
    options = parse("p.py", "someone", "--context-value", "a=b=c", "--context-value",
                    "bind_address=", "--context-value", "a=2")
    assert options.context_values == {"a": "2", "bind_address": ""}


@pytest.mark.parametrize(("address", "loopback"), [
    ("", True), ("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True),
    ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("warrior.example", False),
])
def test_loopback(address: str, loopback: bool) -> None:
    """Which addresses only this machine can reach."""
    assert is_loopback(address) is loopback


def test_open_address_needs_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 78 and what to do; any of the ways out that it names is accepted."""
    open_to_all = ["p.py", "someone", "--address", "0.0.0.0"]
    with pytest.raises(SystemExit) as ended:
        parse(*open_to_all)
    assert ended.value.code == 78
    assert "--insecure-no-password" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(*open_to_all, "--http-password", "")
    assert not parse(*open_to_all, "--http-password", "x").insecure
    assert not parse(*open_to_all, HTTP_PASSWORD="x").insecure
    assert not parse(*open_to_all, "--disable-web-server").insecure
    assert parse(*open_to_all, "--insecure-no-password").insecure


def test_password_from_the_environment_is_taken_out() -> None:
    """Programs that a project starts do not inherit it; the command line wins."""
    environment = {"HTTP_USERNAME": "me", "HTTP_PASSWORD": "secret", "OTHER": "1"}
    options = parse_pipeline_options(["p.py", "someone"], environment)
    assert (options.http_username, options.http_password) == ("me", "secret")
    assert not options.password_on_command_line
    assert environment == {"OTHER": "1"}
    options = parse("p.py", "someone", "--http-password", "own", HTTP_PASSWORD="secret")
    assert options.http_password == "own" and options.password_on_command_line


def test_behind_a_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    """Its address is checked, and the page needs a password wherever it listens."""
    at = ["p.py", "someone", "--public-url", "https://home.example/at/"]
    with pytest.raises(SystemExit) as ended:
        parse(*at)
    assert ended.value.code == 78
    assert "anyone could control this program at https://home.example/at." in capsys.readouterr().err
    options = parse(*at, "--proxy-addresses", "192.0.2.7", HTTP_PASSWORD="x")
    assert options.public_url == "https://home.example/at"
    assert options.proxy_addresses == ("192.0.2.7/32",)
    for wrong in (["--public-url", "home.example"], ["--proxy-addresses", "proxy"]):
        with pytest.raises(SystemExit) as ended:
            parse("p.py", "someone", *wrong)
        assert ended.value.code == 64


def test_a_key_from_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """It is taken out, shows in no repr, and a short one is refused without repeating it."""
    environment = {"HTTP_API_KEY": "a-key-that-is-long-enough"}
    options = parse_pipeline_options(["p.py", "someone"], environment)
    assert options.api_key == "a-key-that-is-long-enough"
    assert "long-enough" not in repr(options)
    assert environment == {}
    with pytest.raises(SystemExit) as ended:
        parse("p.py", "someone", HTTP_API_KEY="too-short")
    assert ended.value.code == 78
    said = capsys.readouterr().err
    assert "HTTP_API_KEY" in said
    assert "too-short" not in said


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are printed, with status 0; the version begins with the API level."""
    with pytest.raises(SystemExit) as ended:
        parse(option)
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("0.10.3 (" if option == "--version" else "usage: run-pipeline")
