"""The page: what a browser sees of run-pipeline and of the warrior, and may ask of them.

``app`` makes a console; ``gate`` decides who gets in; ``live`` tells open pages what changes. It
also answers the control socket. No other package of ``warrior`` serves HTTP. Imported by:
warrior.daemon, warrior.standalone, warrior.web.live.
"""
