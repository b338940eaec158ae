"""What ``segkit lab``, ``segkit test`` and ``segkit report`` do.

From a bare checkout each command first makes ``.venv`` ready and then goes on inside it. From an installed
package it uses the environment that it is installed in.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

import segkit
from segkit.cli.environment import activated, become, checkout_root, ready_python
from segkit.cli.lab import copy_notebooks, free_port, jupyterlab_arguments, serve
from segkit.cli.messages import CannotStart, sentence
from segkit.cli.progress import Screen

PACKAGE = Path(segkit.__file__).parent
EXTRAS = {"lab": ("lab", "data"), "test": ("lab", "data", "test"), "report": ()}
PROCESSES = min((os.cpu_count() or 1) + 1, 4)  # one more than cores: browsers and Spark are waited for
BESIDE = ["-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"]
"""Files side by side, each in one process, in the order that they are collected in."""
COVERAGE = ["--cov=segkit", "--cov-report=term-missing:skip-covered", "--cov-fail-under=90"]
COLUMNS = (
    "customer_id",
    "timestamp",
    "order_id",
    "product_id",
    "category",
    "quantity",
    "price",
    "amount",
    "discount",
)


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code; what is wrong becomes one sentence."""
    choices = parse(argv)
    try:
        return _prepare_and_go_on(choices, argv)
    except CannotStart as error:
        print(f"segkit: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"segkit: {sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsegkit: stopped. The same command goes on from here.", file=sys.stderr)
        return 130


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; argparse itself answers ``--help`` and mistakes."""
    parser = argparse.ArgumentParser(
        prog="segkit", description="Customer segments that can be seen, trusted, explained and acted on."
    )
    parser.add_argument("--version", action="version", version=f"segkit {segkit.__version__}")
    # Set by segkit itself, when it goes on inside the environment that it has just made ready.
    parser.add_argument("--ready", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    _describe_lab(commands.add_parser("lab", help="open the notebooks in JupyterLab"))
    commands.add_parser(
        "test",
        add_help=False,  # --help, as all that follows, is for pytest
        help="run the tests of a source checkout; all that follows goes to pytest, and where nothing does, "
        "all tests run and must cover 90%% of the code",
    )
    _describe_report(
        commands.add_parser("report", help="write a stand-alone HTML report from a file of orders")
    )

    choices, rest = parser.parse_known_args(argv)
    if choices.command == "test":
        choices.pytest = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return choices


def _describe_lab(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="copy the notebooks here first (nothing is ever overwritten) and open the copies; "
        "may be left out in a source checkout",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    parser.add_argument("--port", type=_port, help="port to serve on (default: the first free one from 8888)")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def _describe_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("orders", type=Path, metavar="ORDERS", help="file of order lines, CSV or Parquet")
    columns = parser.add_argument_group("columns", "the names that the file gives to what segkit needs")
    for name in COLUMNS:
        flag = "--" + name.replace("_", "-")
        columns.add_argument(flag, metavar="COL", required=name in ("customer_id", "timestamp"))
    parser.add_argument(
        "--timestamp-format", metavar="FMT", help="how times are written, such as %%d/%%m/%%Y"
    )
    parser.add_argument(
        "--timezone",
        metavar="TZ",
        default="UTC",
        help="zone of times that carry none, such as Europe/London (UTC)",
    )
    parser.add_argument("--as-of", metavar="WHEN", help="look at customers at this time")
    parser.add_argument("--n-segments", metavar="K", type=int, help="how many segments (default: chosen)")
    parser.add_argument("--random-state", metavar="N", type=int, default=0, help="seed of all chance (0)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("segments.html"))


def _prepare_and_go_on(choices: argparse.Namespace, argv: list[str]) -> int:
    checkout = checkout_root(PACKAGE)
    if checkout is None or choices.ready:
        return {"lab": _lab, "test": _test, "report": _report}[choices.command](choices, checkout)
    if choices.command == "lab":
        free_port(choices.port)  # before minutes of installing, not after
    python = ready_python(checkout, EXTRAS[choices.command], Screen())
    return become([str(python), "-m", "segkit", "--ready", *argv], environ=activated(os.environ, python))


def _lab(choices: argparse.Namespace, checkout: Path | None) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise CannotStart(
            f"JupyterLab is not installed beside {sys.executable}, and `segkit lab` opens it. "
            f'Install it: {sys.executable} -m pip install "segkit[lab,data]"'
        )
    if choices.folder is not None:
        source = PACKAGE / "_notebooks" if checkout is None else checkout / "notebooks"
        _tell_copied(choices.folder, *copy_notebooks(source, choices.folder))
        root, notebooks = choices.folder, "."
    elif checkout is not None:
        root, notebooks = checkout, "notebooks"
    else:
        raise CannotStart(
            "`segkit lab` was given no folder, and an installed segkit needs one to copy the notebooks to. "
            "Name one: segkit lab my-segments",
            exit_code=2,
        )
    port = free_port(choices.port)
    print("Starting JupyterLab; Ctrl-C here ends it.", file=sys.stderr)
    return serve(jupyterlab_arguments(root, notebooks, port=port, browser=not choices.no_browser))


def _tell_copied(folder: Path, copied: list[str], kept: list[str]) -> None:
    print(f"{folder}: {len(copied)} new file(s) from segkit", file=sys.stderr)
    if kept:
        print(f"{folder}: kept as they were: {', '.join(kept)}", file=sys.stderr)


def _test(choices: argparse.Namespace, checkout: Path | None) -> int:
    if checkout is None:
        raise CannotStart(
            f"segkit is installed in {PACKAGE} without its tests; they come with the source. "
            "Get a source checkout and run there: python3 -m segkit test"
        )
    return become([sys.executable, "-m", "pytest", *(choices.pytest or COVERAGE + BESIDE)], folder=checkout)


def _report(choices: argparse.Namespace, checkout: Path | None) -> int:
    from segkit.show.report.report import report_orders

    given = {name: getattr(choices, name) for name in COLUMNS}
    try:
        written = report_orders(
            choices.orders,
            choices.output,
            columns={name: column for name, column in given.items() if column is not None},
            timestamp_format=choices.timestamp_format,
            timezone=choices.timezone,
            as_of=choices.as_of,
            n_segments=choices.n_segments,
            random_state=choices.random_state,
        )
    except (ValueError, FileNotFoundError) as error:
        raise CannotStart(sentence(error), exit_code=2) from error
    print(f"Wrote {written}")
    return 0
