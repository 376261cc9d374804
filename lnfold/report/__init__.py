"""Results → one report record → its views: JSON, terminal, HTML."""
