"""What a network is, and how it runs; knows no file."""
