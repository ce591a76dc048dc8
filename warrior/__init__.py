"""The daemon, the command lines and the console."""
