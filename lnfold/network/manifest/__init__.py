"""A network as JSON and arrays, and back: what an ``.npz`` of folded networks holds."""
