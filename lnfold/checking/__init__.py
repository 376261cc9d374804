"""Two runs of a network → a verdict that rests on measured rounding noise."""
