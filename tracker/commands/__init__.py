"""The commands of ``run-tracker``, each of which works while a server runs."""
