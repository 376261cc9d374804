"""Which changes of the parameters no output notices, and what numbers give away of training."""
