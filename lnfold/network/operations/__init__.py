"""What operations compute, in NumPy."""
