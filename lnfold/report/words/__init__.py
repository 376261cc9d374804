"""Networks and accounts in plain words: chains, trees, diagrams, explanations."""
