"""The JSON config of a Keras model → its network."""
