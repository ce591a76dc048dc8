"""What the operator sets: warrior.conf, the environment and the command line of run-warrior.

``config.read_options`` returns all of it as one value, ``WarriorOptions``; warrior.conf.example
holds the defaults and the explanations. Imported by: warrior.cli, warrior.daemon,
warrior.settings.
"""
