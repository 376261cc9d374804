"""Names → variables: what every container offers, and the objects that name them."""
