"""Files read at positions, wire format, checksums, element types, zip archives."""
