"""Passwords are kept as scrypt records: ``scrypt$SALT$HASH``, both in hexadecimal.

The parameters are n=2^15, r=8, p=3. Hashing takes a tenth of a second and 32 MiB on purpose, so
call it on a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

# Without maxmem, Python raises an error for these parameters.
_N, _R, _P, _MAXMEM = 2**15, 8, 3, 64 * 1024 * 1024

_RECORD = re.compile(r"scrypt\$(?:[0-9a-f]{2}){16,64}\$[0-9a-f]{128}")


def hash_password(password: str) -> str:
    """A new record of the password. Slow: call it on a thread."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, record: str) -> bool:
    """Whether ``record`` is of this password, in constant time. Slow: call it on a thread."""
    _, salt, digest = record.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def is_record(text: str) -> bool:
    """Whether the text is a record, and not a plain password."""
    return _RECORD.fullmatch(text) is not None


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt,
                          n=_N, r=_R, p=_P, maxmem=_MAXMEM)
