"""Keras's own files: ``.h5``, ``.weights.h5``, ``.keras``, and weights in several files."""
