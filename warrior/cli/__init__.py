"""The command lines: run-pipeline (with --check and --new), run-warrior and warrior-ctl.

They read the options and print; the work is done by ``standalone`` and ``daemon`` or, for
warrior-ctl, by the warrior at the other end of the control socket. Other rooms import at most
the types of their options.
"""
