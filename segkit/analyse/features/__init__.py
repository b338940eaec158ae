"""Features of customers: their definitions, and the one query that computes them."""
