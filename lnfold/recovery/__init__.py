"""Evidence → Network: a graph, a Keras config, names, examples, the best there is."""
