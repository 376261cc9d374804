"""The question itself: the split of the bias, one vector for three, what becomes of each number."""
