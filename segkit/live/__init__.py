"""Place customers in segments as their events arrive: the state is the log, and each answer is that of the batch."""
