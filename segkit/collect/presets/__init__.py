"""Read the exports of common tools by name."""
