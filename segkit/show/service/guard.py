"""Let requests in that hold the token and name this machine, and nobody else."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
NAMES = {"127.0.0.1", "localhost"}  # another name for this machine is a page that rebinds its own


class Guard:
    """Ask every request for the token: once in the URL, then in a cookie, or as ``Authorization: Bearer``.

    Parameters
    ----------
    app : ASGI application
    token : str
    port : int
        Cookies are of a machine and not of a port, so that its number is part of the name.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int):
        self._app, self._token, self._cookie = app, token, f"segkit_{port}"
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        return await (self._refusal(scope) or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that may not go on."""
        headers = Headers(scope=scope)
        if headers.getlist("host") == [] or not set(headers.getlist("host")) <= self._hosts:
            return PlainTextResponse("This page is for this machine only: open http://127.0.0.1.\n", 421)
        if scope["method"] != "GET":
            return PlainTextResponse("Only GET is answered.\n", 405, {"Allow": "GET"})
        try:
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
        except ValueError:
            return PlainTextResponse("Nothing here takes so many parameters.\n", 400)
        if self._is_token(asked.get("token", [""])[0]) and scope["path"] == "/":
            welcome = RedirectResponse("/", 303)  # the token leaves the address bar, and the history
            welcome.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return welcome
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(self._from_cookie(headers)) or self._is_token(bearer):
            return None
        return PlainTextResponse(
            "The token is missing or wrong. Open the address with ?token=… that `segkit serve` printed.\n",
            401,
        )

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _from_cookie(self, headers: Headers) -> str:
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:  # somebody's own; it holds no token
            held = None
        return "" if held is None else held.value
