"""The practice project: items to claim, and a small website to archive, on this machine.

``site`` and ``images`` generate and serve the website; ``items`` queues the items. This package
imports ``store`` and ``web``; ``app`` and ``commands`` import it.
"""
