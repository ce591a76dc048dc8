"""The operator's commands over HTTP, for scripts that have a key.

``gate`` checks the key and reads bodies and queries; ``handlers`` has the commands. Each command
does what the command of ``run-tracker`` with the same name does. Imported by: tracker.
"""
