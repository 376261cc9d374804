"""TensorFlow's V1 checkpoint: one sorted table a shard, values inside."""
