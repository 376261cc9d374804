"""HDF5, read without libhdf5."""
