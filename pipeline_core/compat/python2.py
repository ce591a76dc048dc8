"""What modules that Python 3 still has were able to do in Python 2 alone."""

from __future__ import annotations

import re
import types

from pipeline_core.requirements.install_hints import PYTHON_2_MODULES

_PARSE = ("quote", "quote_plus", "unquote", "unquote_plus", "urlencode", "unwrap", "splitattr",
          "splithost", "splitnport", "splitpasswd", "splitport", "splitquery", "splittag",
          "splittype", "splituser", "splitvalue")
_REQUEST = ("urlopen", "urlretrieve", "urlcleanup", "URLopener", "FancyURLopener", "pathname2url",
            "url2pathname", "getproxies", "proxy_bypass")

#: Names in modules, with the module -> what Python 3 has instead.
PYTHON_2_ATTRIBUTES = {
    **{f"urllib.{name}": f"urllib.parse.{name}" for name in _PARSE},
    **{f"urllib.{name}": f"urllib.request.{name}" for name in _REQUEST},
    "urllib.ContentTooShortError": "urllib.error.ContentTooShortError",
    **{f"string.{name}": f"string.ascii_{name}" for name in ("letters", "lowercase", "uppercase")},
    **{f"string.{name}": f"the method {name} of str" for name in (
        "join", "split", "strip", "replace", "lower", "upper", "zfill")},
    "string.maketrans": "str.maketrans",
    "itertools.izip": "zip", "itertools.imap": "map", "itertools.ifilter": "filter",
    "itertools.izip_longest": "itertools.zip_longest",
    "itertools.ifilterfalse": "itertools.filterfalse",
    "os.getcwdu": "os.getcwd", "os.popen2": "subprocess",
    "os.popen3": "subprocess", "sys.maxint": "sys.maxsize",
    "sys.setdefaultencoding": "nothing: text is Unicode", "sys.exc_clear": "nothing",
    "types.StringType": "bytes", "types.UnicodeType": "str", "types.StringTypes": "str",
    "types.ListType": "list", "types.DictType": "dict",
}

#: The modules among them.
MODULES = frozenset(name.partition(".")[0] for name in PYTHON_2_ATTRIBUTES)

#: Built-in names of Python 2.
PYTHON_2_NAMES = frozenset({
    "unicode", "xrange", "raw_input", "basestring", "unichr", "long", "reduce", "reload",
    "file", "execfile", "cmp",
})

_CANNOT_IMPORT = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def missing_python_2_attribute(error: BaseException) -> str:
    """``urllib.unquote``, when that is what the error says is not there; else ''."""
    name = ""
    if isinstance(error, AttributeError) and isinstance(error.obj, types.ModuleType):
        name = f"{error.obj.__name__}.{error.name}"
    elif isinstance(error, ImportError):
        match = _CANNOT_IMPORT.match(str(error))
        name = f"{match[2]}.{match[1]}" if match else ""
    return name if name in PYTHON_2_ATTRIBUTES else ""


def python_2_name_used(error: BaseException) -> str:
    """What of Python 2 the code has tried to use when the error came of that; else ''."""
    name = getattr(error, "name", None) or ""
    if isinstance(error, ModuleNotFoundError) and name in PYTHON_2_MODULES:
        return str(name)
    if isinstance(error, NameError) and name in PYTHON_2_NAMES:
        return str(name)
    return missing_python_2_attribute(error)
