"""Step 3: fit models to customers, and assign customers to segments."""
