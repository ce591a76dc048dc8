"""How to install the programs and Python modules that a project needs."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import sys
from collections.abc import Iterable

#: Modules whose package has another name.
_PACKAGES = {
    "bs4": "beautifulsoup4", "Crypto": "pycryptodome", "cv2": "opencv-python", "dateutil":
    "python-dateutil", "dns": "dnspython", "git": "GitPython", "google.protobuf": "protobuf",
    "magic": "python-magic", "OpenSSL": "pyOpenSSL", "PIL": "pillow", "serial": "pyserial",
    "socks": "PySocks", "websocket": "websocket-client", "yaml": "PyYAML",
    "yt_dlp": "yt-dlp", "zmq": "pyzmq",
}

#: Packages that many projects use.
_COMMON = frozenset({
    "aiohttp", "boto3", "brotli", "cchardet", "certifi", "chardet", "curl_cffi", "httpx", "idna",
    "internetarchive", "lupa", "lxml", "numpy", "orjson", "psutil", "redis", "requests",
    "simplejson", "six", "tldextract", "urllib3", "validators", "warcio", "warctools",
    "websockets", "zstandard",
})

#: Modules that Python removed, and the version that removed them.
GONE = {
    "asynchat": "3.12", "asyncore": "3.12", "imp": "3.12", "smtpd": "3.12",
    **dict.fromkeys(("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "mailcap",
                     "nntplib", "pipes", "sndhdr", "sunau", "telnetlib", "uu", "xdrlib"), "3.13"),
}

#: Modules that only Python 2 has -> what Python 3 has instead.
PYTHON_2_MODULES = {
    "urllib2": "urllib.request", "urlparse": "urllib.parse", "Queue": "queue",
    "ConfigParser": "configparser", "StringIO": "io", "cStringIO": "io", "cPickle": "pickle",
    "commands": "subprocess", "httplib": "http.client", "cookielib": "http.cookiejar",
    "HTMLParser": "html.parser", "thread": "threading", "__builtin__": "builtins",
    "sets": "the built-in set", "Cookie": "http.cookies", "SocketServer": "socketserver",
    "BaseHTTPServer": "http.server", "robotparser": "urllib.robotparser",
    "itertools.izip": "the built-in zip",
}

#: Names that projects use for programs -> the Debian package that has them.
_DEBIAN = {
    "7z": "7zip", "bash": "bash", "curl": "curl", "ffmpeg": "ffmpeg", "ffprobe": "ffmpeg",
    "git": "git", "gzip": "gzip", "jq": "jq", "lua": "lua5.4", "luajit": "luajit",
    "mysqldump": "default-mysql-client", "node": "nodejs", "openssl": "openssl", "perl": "perl",
    "phantomjs": "phantomjs", "python3": "python3", "rsync": "rsync", "sqlite3": "sqlite3",
    "tar": "tar", "unzip": "unzip", "wget": "wget", "xz": "xz-utils", "yt-dlp": "yt-dlp",
    "zip": "zip", "zstd": "zstd",
}

_WGET_AT = (
    "No Debian package has Wget with Lua. Build it from "
    "https://github.com/ArchiveTeam/wget-lua, or copy it from an image that has it, and put it "
    "at {place}.")
_OTHER = {
    "wget-at": _WGET_AT, "wget-lua": _WGET_AT,
    "wpull": "No Debian package has wpull. See https://github.com/ArchiveTeam/wpull for the "
             "Python versions that it runs on, and put it at {place}.",
}


def program_advice(name: str, tried: Iterable[str], *, other_version: bool = False) -> str:
    """Return how to get a program; ``tried`` are the paths where it is looked for.

    ``other_version``: another version of the program is installed.
    """
    paths = list(tried)
    keys = [_plain(name), *(_plain(os.path.basename(path)) for path in paths)]
    place = next((path for path in paths if os.sep in path), paths[0] if paths else "a folder "
                 "on PATH")
    for key in keys:
        if key in _OTHER:
            return _OTHER[key].format(place=place)
    package = next((_DEBIAN[key] for key in keys if key in _DEBIAN), "")
    if other_version:
        return f"Install the wanted version of {name} at {place}."
    if package and shutil.which("apt-get"):
        return f"Install it with: sudo apt-get install {package}"
    return (f"Install {package or name} with the package manager of this system"
            f"{f', or put it at {place}' if place in paths and os.sep in place else ''}.")


def permission_advice(path: str) -> str:
    """Return what to do about a program file that is not executable."""
    word = f"./{path}" if path.startswith("-") else path
    return f"It is there: make it executable with chmod +x {shlex.quote(word)}"


def hint(message: str) -> str:
    """Return how to get a program that is hard to get and that the message names; else ''."""
    plain = _plain(message)
    advice = next((text for name, text in _OTHER.items() if name in plain), "")
    return advice.format(place="a path where the file looks for it")


def _plain(name: str) -> str:
    return name.strip().casefold().replace("+", "-").replace(" ", "-").replace("_", "-")


def package_of(module: str) -> str:
    """Return the PyPI package that contains a module."""
    return _PACKAGES.get(module) or _PACKAGES.get(module.partition(".")[0]) \
        or module.partition(".")[0]


def module_advice(module: str) -> str:
    """Return how to install a module for the Python that runs this program."""
    top = module.partition(".")[0]
    if top in PYTHON_2_MODULES:
        return "Only Python 2 has it: the project's author has to bring the file to Python 3."
    if top in GONE:
        return (f"Python {GONE[top]} removed it. Use an older Python; otherwise the project's "
                "author has to replace it.")
    install = f"{sys.executable} -m pip install"
    if module != top:
        return (f"The installed {top} has no {module}. If a newer version has it: {install} "
                f"--upgrade {package_of(module)}")
    if top in _COMMON or top in _PACKAGES:
        return f"Install it for the Python that runs this: {install} {package_of(module)}"
    return ("If it is a file of the project, the project is incomplete (git submodule update "
            f"--init may fetch the file). If it is a package: {install} {package_of(module)}")


def installed_version(module: str) -> str:
    """Return the version of the package that contains the module; '' if it is not known."""
    try:
        return importlib.metadata.version(package_of(module))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""
