"""What names and shapes say: scopes, roles, the habits of libraries, the order of layers."""
