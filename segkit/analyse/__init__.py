"""Step 2: compute features of customers, and prepare them for distances."""
