"""The tables that features aggregate: orders, visits, messages and so on."""
