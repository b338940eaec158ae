"""Follow segments over time."""
