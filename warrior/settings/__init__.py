"""What the volunteer sets: checked, kept in one file, in effect at once.

``Settings`` is what others use; behind it are the file, the check of each value, the fields of
projects, passwords as scrypt records, and API keys. Imported by: warrior.cli, warrior.daemon,
warrior.standalone, warrior.web.
"""
