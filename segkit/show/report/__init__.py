"""Write a report of segments as one file: HTML, Markdown or PDF."""
