"""Inputs and outputs of the original settle what nothing else says."""
