"""What is measured of a fold, what it leaves, and the certificate that says so."""
