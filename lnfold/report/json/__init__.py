"""The report as JSON, after the schema that ships with it."""
