"""Serve the live map as a page on this machine."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from segkit.core.checks import check_type
from segkit.live.follow import follow as follow_events
from segkit.live.live import Live
from segkit.live.sources.event_source import EventSource
from segkit.show.widgets.live_board import LiveBoard

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
PORT = 8899
SHORTEST = 16  # letters of a token that nobody guesses
STARTED = 30.0  # seconds that a server may take to begin


class Service:
    """A page that is being served; made by :func:`serve`.

    Attributes
    ----------
    url : str
        The address with the token.
    """

    def __init__(
        self, live: Live, board: LiveBoard, server: uvicorn.Server, listener: socket.socket, url: str
    ):
        self._live, self._board, self._server, self.url = live, board, server, url
        self._ending = threading.Event()
        self._followers: list[threading.Thread] = []
        run = {"sockets": [listener]}
        self._thread = threading.Thread(target=server.run, kwargs=run, name="segkit serve", daemon=True)
        self._thread.start()
        until = time.monotonic() + STARTED
        while not server.started and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        if not server.started:
            self.close()
            raise RuntimeError("The server did not start. Its own message stands above.")

    def follow(self, source: EventSource) -> None:
        """Apply events as they arrive, in a thread; what ends it is shown on the page."""
        thread = threading.Thread(target=self._follow, args=[source], name="segkit follow", daemon=True)
        self._followers.append(thread)
        thread.start()

    def _follow(self, source: EventSource) -> None:
        try:
            follow_events(self._live, source, until=self._ending.is_set)
        except (
            Exception
        ) as error:  # said by whoever waits, and on the page, since nobody else sees this thread
            self._board.fail(f"New events are not followed any more: {error}")
            print(f"New events are not followed any more: {error}", file=sys.stderr, flush=True)

    def wait(self) -> None:
        """Wait until Ctrl-C, then close."""
        try:
            while self._thread.is_alive():
                self._thread.join(1.0)
        except KeyboardInterrupt:  # how people end it
            print("Ending; the present batch is still written.", file=sys.stderr)
        finally:
            self.close()

    def close(self) -> None:
        """End the server and the following; the folder stays open."""
        self._ending.set()
        self._server.should_exit = True
        for thread in (*self._followers, self._thread):
            thread.join()
        self._board.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Service: {self.url}"


def serve(
    live: Live, *, port: int = PORT, token: str | None = None, follow: EventSource | None = None
) -> Service:
    """Serve the live map as a page on this machine, to those who hold the token.

    Parameters
    ----------
    live : Live
        From :func:`segkit.live_segments`.
    port : int, default=8899
        0 for any that is free.
    token : str, optional
        At least 16 letters and digits; made anew by default. Whoever knows it sees the customers.
    follow : EventSource, optional
        From :func:`segkit.file_source`, :func:`segkit.redis_source` or :func:`segkit.kafka_source`: its events are
        applied as they arrive, as by :func:`segkit.follow`.

    Returns
    -------
    Service
        Its `url` is printed; open it. ``wait()`` waits for Ctrl-C, ``close()`` ends it.

    Raises
    ------
    ImportError
        If Starlette or uvicorn is not installed.
    OSError
        If the port is taken.
    TypeError, ValueError
        If `live` is no Live, `follow` no source, or the token short or no plain text.

    Notes
    -----
    It listens on 127.0.0.1 only, sends nothing anywhere, and answers GET only: ``/`` the page; ``/segments`` how many
    customers are in each; ``/customers/ada`` what the batch says of one, as of its last placement; ``/moves``
    server-sent events, one for each move. Programs send the token as ``Authorization: Bearer …``; moments that they get
    end in Z, for UTC.

    Examples
    --------
    >>> sg.serve(live).wait()  # doctest: +SKIP
    """
    check_type("live", live, Live, "It should come from live_segments(result, events, features, folder=…).")
    if follow is not None:
        check_type("follow", follow, EventSource, "It should be a source, as from file_source(…).")
    key = secrets.token_urlsafe(32) if token is None else _checked_token(token)
    uvicorn = _uvicorn()
    from segkit.show.service.app import Changes, make_app

    listener = _listen(port)
    try:
        changes = Changes()
        board = LiveBoard(live, changes.happened)
    except BaseException:
        listener.close()
        raise
    bound = listener.getsockname()[1]
    app = make_app(board, changes, token=key, port=bound, ends=lambda: server.should_exit)
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,  # it would write tokens into a log
        server_header=False,
        log_level="error",  # not a line for each request that is no HTTP
        proxy_headers=False,
        limit_concurrency=200,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    service = Service(live, board, server, listener, f"http://{HOST}:{bound}/?token={key}")
    if follow is not None:
        service.follow(follow)
    print(f"Live segments: {service.url}", flush=True)
    return service


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise OSError(
            f"Port {port} of {HOST} cannot be used: {error}. Pass another, or 0 for any."
        ) from error
    return listener


def _checked_token(token: Any) -> str:
    check_type("token", token, str, "Leave it out, and one is made.")
    if len(token) < SHORTEST or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise ValueError(
            f"token should be at least {SHORTEST} letters and digits, - and _ too. Leave it out, and one is made."
        )
    return str(token)


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise ImportError(
            'serve needs Starlette and uvicorn. Install them: pip install "segkit[stream]"'
        ) from error
    return uvicorn
