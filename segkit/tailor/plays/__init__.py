"""Say what to do for each segment, and how."""
