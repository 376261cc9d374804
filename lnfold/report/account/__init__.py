"""What is shown of a checkpoint: one record, made once; every later form is a view of it."""
