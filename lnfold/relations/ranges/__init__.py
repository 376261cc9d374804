"""What values can be over a box of inputs: bounds with a proof, units, the least s(x)."""
