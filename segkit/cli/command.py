"""Run ``segkit lab``, ``segkit test``, ``segkit report`` or ``segkit serve``.

In a source checkout, a command first makes ``.venv`` ready and then runs inside it. An installed package runs in
the environment that it is installed in.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import segkit
from segkit.cli.environment import activated, become, checkout_root, ready_python
from segkit.cli.lab import copy_notebooks, free_port, jupyterlab_arguments, serve
from segkit.cli.messages import CannotStart, sentence

if TYPE_CHECKING:
    from segkit.live.sources.event_source import EventSource

PACKAGE = Path(segkit.__file__).parent
EXTRAS = {"lab": ("lab", "data"), "test": ("lab", "data", "test"), "report": (), "serve": ("stream",)}
PARALLEL = ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "worksteal"]
COVERED = ["--covered=90"]  # an option of tests/conftest.py
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
    """Run one command line and return its exit code, with one sentence where something is wrong."""
    choices = parse(argv)
    try:
        return _prepare_and_run(choices, argv)
    except CannotStart as error:
        print(f"segkit: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"segkit: {sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsegkit: stopped.", file=sys.stderr)
        return 130


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; ``--help`` and mistakes end here, with argparse's own words."""
    parser = argparse.ArgumentParser(
        prog="segkit", description="Customer segments that can be seen, trusted, explained and acted on."
    )
    parser.add_argument("--version", action="version", version=f"segkit {segkit.__version__}")
    # segkit itself sets this when it runs the command again inside the environment that it made ready.
    parser.add_argument("--ready", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    _describe_lab(commands.add_parser("lab", help="open the notebooks in JupyterLab"))
    commands.add_parser(
        "test",
        add_help=False,  # pytest answers --help and takes all other arguments
        help="run the tests of a source checkout and require that they cover 90%% of the code; --simulations adds "
        "the large simulations; other arguments go to pytest instead",
    )
    _describe_report(commands.add_parser("report", help="write an HTML report from a file of orders"))
    _describe_serve(
        commands.add_parser("serve", help="serve the map of live segments as a page on this machine")
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
        help="copy the notebooks to this folder, never over a file, and open the copies; "
        "not needed in a source checkout",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    parser.add_argument("--port", type=_port, help="port to serve on (default: the first free one from 8888)")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def _describe_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("orders", type=Path, metavar="ORDERS", help="file of order lines, CSV or Parquet")
    columns = parser.add_argument_group("columns", "names of the columns in the file")
    for name in COLUMNS:
        flag = "--" + name.replace("_", "-")
        columns.add_argument(flag, metavar="COL", required=name in ("customer_id", "timestamp"))
    parser.add_argument("--timestamp-format", metavar="FMT", help="format of the times, such as %%d/%%m/%%Y")
    parser.add_argument(
        "--timezone",
        metavar="TZ",
        default="UTC",
        help="time zone of times without one, such as Europe/London (default: UTC)",
    )
    parser.add_argument("--as-of", metavar="WHEN", help="count only events before this moment")
    parser.add_argument("--n-segments", metavar="K", type=int, help="number of segments (default: automatic)")
    parser.add_argument("--random-state", metavar="N", type=int, default=0, help="seed (default: 0)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("segments.html"))


def _describe_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of live_segments")
    parser.add_argument("--port", type=_port, help="port to serve on (default: 8899)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--redis", nargs=2, metavar=("URL", "STREAM"), help="apply events of a Redis stream as they arrive"
    )
    source.add_argument(
        "--kafka", nargs=2, metavar=("SERVERS", "TOPIC"), help="apply events of a Kafka topic as they arrive"
    )
    source.add_argument(
        "--file",
        type=Path,
        metavar="PATH",
        help="apply events as they are appended to a file, or to files of a folder",
    )


def _prepare_and_run(choices: argparse.Namespace, argv: list[str]) -> int:
    checkout = checkout_root(PACKAGE)
    if checkout is None or choices.ready:
        return {"lab": _lab, "test": _test, "report": _report, "serve": _serve}[choices.command](
            choices, checkout
        )
    if choices.command == "lab":
        free_port(choices.port)  # before minutes of installing, not after
    python = ready_python(checkout, EXTRAS[choices.command])
    return become([str(python), "-m", "segkit", "--ready", *argv], environ=activated(os.environ, python))


def _lab(choices: argparse.Namespace, checkout: Path | None) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise CannotStart(
            f"`segkit lab` opens JupyterLab, and {sys.executable} has none. "
            f'Install it: {sys.executable} -m pip install "segkit[lab,data]"'
        )
    if choices.folder is not None:
        source = PACKAGE / "_notebooks" if checkout is None else checkout / "notebooks"
        _print_copied(choices.folder, *copy_notebooks(source, choices.folder))
        root, notebooks = choices.folder, "."
    elif checkout is not None:
        root, notebooks = checkout, "notebooks"
    else:
        raise CannotStart(
            "`segkit lab` needs a folder to copy the notebooks to. Name one: segkit lab my-segments",
            exit_code=2,
        )
    port = free_port(choices.port)
    print("Starting JupyterLab; Ctrl-C here ends it.", file=sys.stderr)
    return serve(jupyterlab_arguments(root, notebooks, port=port, browser=not choices.no_browser))


def _print_copied(folder: Path, copied: list[str], kept: list[str]) -> None:
    print(f"{folder}: {len(copied)} new file(s) from segkit", file=sys.stderr)
    if kept:
        print(f"{folder}: left unchanged: {', '.join(kept)}", file=sys.stderr)


def _test(choices: argparse.Namespace, checkout: Path | None) -> int:
    if checkout is None:
        raise CannotStart(
            f"segkit is installed in {PACKAGE} without its tests. "
            "Get a source checkout and run there: python3 -m segkit test"
        )
    arguments = choices.pytest
    if arguments in ([], ["--simulations"]):
        arguments = [*arguments, *COVERED, *PARALLEL]
    return become([sys.executable, "-m", "pytest", *arguments], folder=checkout)


def _report(choices: argparse.Namespace, checkout: Path | None) -> int:
    from segkit.show.report.from_orders import report_orders

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


def _serve(choices: argparse.Namespace, checkout: Path | None) -> int:
    from segkit.live.open_live import open_live
    from segkit.show.service.serve import PORT, serve

    try:
        source = _source(choices)
        with open_live(choices.folder) as live:
            service = serve(live, port=PORT if choices.port is None else choices.port, follow=source)
            print(
                "Open this address, and keep it to yourself: whoever has it sees the customers. Ctrl-C here ends it.",
                file=sys.stderr,
            )
            if source is None:
                print(
                    "No new events come: name where they arrive, by --file, --redis or --kafka.",
                    file=sys.stderr,
                )
            service.wait()
    except (ValueError, FileNotFoundError, ImportError) as error:
        raise CannotStart(sentence(error), exit_code=2) from error
    return 0


def _source(choices: argparse.Namespace) -> EventSource | None:
    """Return where new events come from."""
    from segkit.live.sources.file_source import file_source
    from segkit.live.sources.kafka_source import kafka_source
    from segkit.live.sources.redis_source import redis_source

    if choices.redis:
        return redis_source(*choices.redis)
    if choices.kafka:
        return kafka_source(*choices.kafka)
    return None if choices.file is None else file_source(choices.file)
