"""Network → Network: what folds exactly is folded, step by step, each with a certificate."""
