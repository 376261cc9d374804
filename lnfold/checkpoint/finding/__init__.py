"""What did the user point at: a prefix, a file, a folder, a step; and what kind of file it is."""
