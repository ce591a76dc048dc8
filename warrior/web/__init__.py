"""The page: what a browser sees of run-pipeline and of the warrior, and may ask of them.

``app`` makes a console; ``gate`` decides who gets in; ``live`` tells open pages what changes. No
other room knows HTTP; only ``daemon.app`` and ``standalone.run`` import this one.
"""
