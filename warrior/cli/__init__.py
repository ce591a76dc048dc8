"""The command lines: run-pipeline (with --check and --new), run-warrior and warrior-ctl.

They read the options and print. ``standalone`` and ``daemon`` do the work; warrior-ctl asks the
warrior at the other end of the control socket. Imported by: nothing.
"""
