"""Outputs that are there whole or not at all, and never over anything that was read."""
