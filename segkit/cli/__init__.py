"""The command line: lab, test, report; the standard library only."""
