"""Make segments, keep them, and match them over refits."""
