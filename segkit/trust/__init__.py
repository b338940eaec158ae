"""Say how far to believe segments: real, repeatable, useful."""
