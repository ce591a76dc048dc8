"""The practice project: items to claim and a small website to archive, on this machine."""
