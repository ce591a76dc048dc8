"""The exit statuses of the command lines (the numbers of sysexits.h)."""

#: Stopped or shut down on request.
OK = 0
#: A pipeline could not be loaded, or the installation is incomplete.
NOT_LOADED = 1
#: The command line is wrong.
USAGE = 64
#: The page's address cannot be bound.
CANNOT_BIND = 69
#: Another warrior uses the state folder.
STATE_IN_USE = 73
#: Restart requested; sysexits.h calls this a temporary failure.
RESTART = 75
#: The configuration is wrong, or would let anyone command the program.
BAD_CONFIGURATION = 78
