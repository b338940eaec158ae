"""Find what segments buy, and recommend products to customers."""
