"""The command line: ``python3 -m segkit lab | test | report`` (or ``segkit …`` once installed).

Exit codes: 0 when all went well, which includes ending JupyterLab with Ctrl-C; 1 when something that is
needed is missing; 2 when the command or the data cannot be used as given; 130 when Ctrl-C came before the
work was done; and pytest's own for ``test``.

This file stays readable to very old Pythons, so that they can say that they are too old.
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
    """Say which Python came, which is needed, and the one on this machine that will do."""
    names = ["python3.%d" % minor for minor in (13, 12, 11)]
    # A version manager puts up names whose Python is not there: only one that answers is recommended.
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
