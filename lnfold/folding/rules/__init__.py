"""One identity a file: when it holds, and what it does."""
