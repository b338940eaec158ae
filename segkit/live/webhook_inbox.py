"""Receive webhooks on this computer, to see what a tool would be told before one is connected."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd

LARGEST = 1 << 20  # bytes of a message


class WebhookInbox:
    """Receive webhooks on 127.0.0.1, and keep each message once, by its key.

    Notes
    -----
    For trying out hooks of :meth:`Live.on_enter`. A message is what is posted with a header ``Idempotency-Key`` and a
    JSON object as its body; anything else is refused with 400. Nothing is kept after :meth:`close`.

    Examples
    --------
    >>> import urllib.request
    >>> import segkit as sg
    >>> with sg.WebhookInbox() as inbox:
    ...     for _ in range(2):
    ...         told = urllib.request.Request(inbox.url, b'{"customer_id": "ada"}', {"Idempotency-Key": "7"})
    ...         answer = urllib.request.urlopen(told)
    >>> inbox.messages
      key  times customer_id
    0   7      2         ada
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}
        self._turn = threading.Lock()
        handler = type("Handler", (_Handler,), {"inbox": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def keep(self, key: str, message: dict[str, Any]) -> None:
        """Keep a message; one with a known key is only counted."""
        with self._turn:
            times = self._kept[key]["times"] + 1 if key in self._kept else 1
            self._kept[key] = {"key": key, "times": times, **message}

    @property
    def messages(self) -> pd.DataFrame:
        """The messages in the order of their arrival: `key`; `times`, how often it came; and what it says."""
        with self._turn:
            rows = list(self._kept.values())
        return pd.DataFrame(rows) if rows else pd.DataFrame({"key": [], "times": []})

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> WebhookInbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"WebhookInbox: {len(self._kept):,} messages at {self.url}"


class _Handler(BaseHTTPRequestHandler):
    """Take one message."""

    inbox: WebhookInbox
    timeout = 5

    def do_POST(self) -> None:
        key, length = self.headers.get("Idempotency-Key"), self.headers.get("Content-Length", "")
        message = None
        if key and length.isdecimal() and int(length) <= LARGEST:
            message = _object(self.rfile.read(int(length)))
        if message is not None:
            self.inbox.keep(str(key), message)
        self.send_response(400 if message is None else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no log: what came is in the inbox."""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(body)
        json.dumps(message, ensure_ascii=False).encode()  # half a character cannot be shown in a table
    except (ValueError, RecursionError):
        return None
    return (
        {name: value for name, value in message.items() if name not in ("key", "times")}
        if isinstance(message, dict)
        else None
    )
