"""The live map as a page on this machine, and its numbers for other programs."""
