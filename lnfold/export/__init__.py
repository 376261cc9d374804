"""Network → the files that others run: TensorFlow checkpoints, NumPy archives, certificates."""
