"""What all our programs need as processes: exit statuses, signals, the loop, threads.

It also runs other programs, writes output without blocking the loop, and finds data files
(``resources``). It knows nothing of projects, settings or the page. Imported by:
warrior.checkout, warrior.cli, warrior.config, warrior.daemon, warrior.projects,
warrior.standalone, warrior.web.
"""
