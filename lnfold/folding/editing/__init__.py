"""How a network is changed: the steps a rule answers with, small pure edits, new layers."""
