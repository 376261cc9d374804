"""How things are written: numbers and names for readers, JSON, CSV, text for a terminal."""
