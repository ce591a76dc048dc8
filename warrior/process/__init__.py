"""What every program of ours needs as a process: exit statuses, signals, the loop, threads.

Also programs that it runs itself, output that must not block the loop, and where the files are
that are no modules (``resources``). It knows nothing of projects, settings or the page. Any room
may import it.
"""
