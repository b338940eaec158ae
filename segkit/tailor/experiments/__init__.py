"""Plan experiments, and measure what a treatment does to each segment."""
