"""The exit statuses of the command lines (the numbers of sysexits.h)."""

OK = 0
NOT_LOADED = 1
USAGE = 64
CANNOT_BIND = 69
BAD_CONFIGURATION = 78
