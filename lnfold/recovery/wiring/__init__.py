"""Layers of a graph → networks: where each ends, and what belongs to it."""
