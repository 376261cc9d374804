"""How fast outputs change with inputs and parameters."""
