"""A TensorFlow graph as data: functions inlined, loops framed, branches decided, shapes known."""
