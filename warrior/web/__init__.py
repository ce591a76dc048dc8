"""The console: what a browser sees of the programs, and may ask of them."""
