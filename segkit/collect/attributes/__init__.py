"""Read who the customers are: attributes, each tagged with its basis."""
