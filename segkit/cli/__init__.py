"""The command line: lab, test and report, with the standard library only."""
