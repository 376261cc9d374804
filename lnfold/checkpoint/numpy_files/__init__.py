"""Arrays that NumPy saved: ``.npy``, ``.npz``, Stable-Baselines' ``.zip``."""
