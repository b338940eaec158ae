"""Write a report of segments as one HTML file."""
