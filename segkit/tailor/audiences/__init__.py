"""Choose whom to address, and write the files that tools take."""
