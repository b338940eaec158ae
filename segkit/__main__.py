"""The command line: ``python3 -m segkit lab | test | report | serve`` (or ``segkit …`` once installed).

Exit codes: 0 for success, also when Ctrl-C ends JupyterLab; 1 when something is missing; 2 when the command or the
data cannot be used; 130 when Ctrl-C interrupts other work; pytest's own for ``test``.

Very old Pythons can read this file, so that they can say that they are too old.
"""

import os
import shutil
import sys

OLDEST = (3, 11)


def main(argv=None):
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if sys.version_info < OLDEST:
        sys.stderr.write(too_old(sys.version_info, arguments) + "\n")
        return 1
    from segkit.cli.command import run

    return run(arguments)


def too_old(version, arguments):
    """Return the message for an old Python, with a newer one of this machine if there is any."""
    names = ["python3.%d" % minor for minor in (13, 12, 11)]
    # A version manager may have names whose Python is not installed: recommend only one that runs.
    usable = [
        name for name in names if shutil.which(name) and os.system(name + " -V >" + os.devnull + " 2>&1") == 0
    ]
    if usable:
        remedy = "This machine has one: %s -m segkit %s" % (usable[0], " ".join(arguments))
    else:
        remedy = "Install it from https://www.python.org/downloads/ and run the same command with it."
    return "segkit: this is Python %d.%d, and segkit needs 3.11 or newer. %s" % (
        version[0],
        version[1],
        remedy.rstrip(),
    )


if __name__ == "__main__":
    sys.exit(main())
