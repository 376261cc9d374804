"""TensorFlow's V2 checkpoint: an index, a sorted table, and its shards."""
