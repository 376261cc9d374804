"""Nodes of a graph → layers, by what they compute and not by how they are spelled."""
