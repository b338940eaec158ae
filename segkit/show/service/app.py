"""Answer requests: the page, its picture as it changes, the moves, the segments, and one customer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from segkit.show.service.guard import Guard
from segkit.show.widgets.live_board import VIEW, LiveBoard
from segkit.show.widgets.parts import STYLE

FILES = {
    "/": Path(__file__).with_name("page.html"),
    "/page.css": Path(__file__).with_name("page.css"),
    "/page.js": Path(__file__).with_name("page.js"),
    "/widgets.css": STYLE,
}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LOOK = 1.0  # seconds after which a stream looks whether the service ends
BEAT = 15.0  # seconds after which a quiet stream says that it lives


class Changes:
    """Tells streams, in the loop of the server, of changes in another thread."""

    def __init__(self) -> None:
        self._listening: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def happened(self) -> None:
        """Wake all streams; from any thread."""
        for event, loop in list(self._listening.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def listen(self) -> asyncio.Event:
        """Return an event that is set at each change."""
        event = asyncio.Event()
        self._listening[event] = asyncio.get_running_loop()
        return event

    def forget(self, event: asyncio.Event) -> None:
        """End what :meth:`listen` began."""
        self._listening.pop(event, None)


def make_app(
    board: LiveBoard, changes: Changes, *, token: str, port: int, ends: Callable[[], bool]
) -> Starlette:
    """Return the application.

    Parameters
    ----------
    board : LiveBoard
    changes : Changes
        Told by the board.
    token : str
        What every request has to hold.
    port : int
    ends : callable
        Says whether the service ends, so that its streams do.
    """

    def segments(_request: Request) -> Response:
        return JSONResponse(board.sizes())

    def customer(request: Request) -> Response:
        try:
            return JSONResponse(board.card(request.path_params["customer"]))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 404)

    def stream(read: Callable[[Request], Callable[[], list[str]]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return StreamingResponse(_stream(read(request), changes, ends), media_type="text/event-stream")

        return endpoint

    def view(_request: Request) -> Response:
        return Response(VIEW, media_type=TYPES[".js"])

    routes = [
        Route("/live_map.js", view),
        Route("/segments", segments),
        Route("/customers/{customer:path}", customer),
        Route("/moves", stream(lambda request: _new_moves(board, request))),
        Route("/map", stream(lambda _request: lambda: [_message("map", board.state)])),
        *(Route(path, _file(file)) for path, file in FILES.items()),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, port=port)])


def _file(file: Path) -> Callable[[Request], Any]:
    async def endpoint(_request: Request) -> Response:
        return FileResponse(file, media_type=TYPES[file.suffix])

    return endpoint


async def _stream(
    read: Callable[[], list[str]], changes: Changes, ends: Callable[[], bool]
) -> AsyncIterator[str]:
    """Send what there is to read now, and again after each change; a slow reader gets the latest, and no queue."""
    event, quiet = changes.listen(), 0.0
    try:
        event.set()
        while not ends():
            try:
                await asyncio.wait_for(event.wait(), LOOK)
            except TimeoutError:
                quiet += LOOK
                if quiet >= BEAT:
                    quiet = 0.0
                    yield ": still here\n\n"
                continue
            event.clear()
            for message in await run_in_threadpool(read):  # it may wait for a sweep, and nobody else should
                quiet = 0.0
                yield message
    finally:
        changes.forget(event)


def _new_moves(board: LiveBoard, request: Request) -> Callable[[], list[str]]:
    """Return a function that says the moves since the last time, after the one that the reader had last."""
    given = request.headers.get("last-event-id", "")
    seen = int(given) if given.isdecimal() and len(given) < 16 else board.counted

    def read() -> list[str]:
        nonlocal seen
        fresh = board.moves_after(seen)
        if not fresh:
            return []
        missed, seen = fresh[0]["n"] - seen - 1, fresh[-1]["n"]
        lost = [_message("missed", {"moves": missed})] if missed else []
        return lost + [_message("move", move, move["n"]) for move in fresh]

    return read


def _message(event: str, said: dict[str, Any], number: int | None = None) -> str:
    numbered = "" if number is None else f"id: {number}\n"
    return f"{numbered}event: {event}\ndata: {json.dumps(said, allow_nan=False)}\n\n"
