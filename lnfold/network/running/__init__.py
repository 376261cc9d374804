"""A network is run on rows: once, or prepared for being run many times."""
