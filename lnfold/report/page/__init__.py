"""The report as one HTML page, and as a notebook shows it."""
