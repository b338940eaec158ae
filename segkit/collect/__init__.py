"""Step 1: read what customers did and who they are, and check it."""
