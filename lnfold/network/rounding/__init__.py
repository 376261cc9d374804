"""How far two programs of one network may be apart by rounding alone: per row, per output."""
