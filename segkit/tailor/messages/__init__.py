"""Write message templates for each segment."""
