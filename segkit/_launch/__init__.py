"""The command line, from a bare checkout to a running JupyterLab; the standard library only."""
