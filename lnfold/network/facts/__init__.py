"""What is known of a network and where it comes from: evidence, claims, what a user states."""
