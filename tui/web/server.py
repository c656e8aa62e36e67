"""The cockpit in a browser: the same application, one process a tab, on the loopback interface, read-only by default.

Who may look is decided by a token in the address that is printed; it is asked for on every request, and then kept in
a cookie that scripts cannot read. A page of another origin, or a host name that was made to point here, is refused:
Host and Origin are compared with what was allowed. Nothing is loaded from elsewhere.
"""

import argparse
import asyncio
import logging
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler, Middleware

from rsi.agent.store.home import Home
from rsi.tui.errors import WebError
from rsi.tui.opening import open_ledger
from rsi.tui.web.session import CockpitProcess

COOKIE = "rsi_token"
TOKEN_VARIABLE = "RSI_WEB_TOKEN"  # noqa: S105 - the name of a variable
LEAST_TOKEN_CHARACTERS = 16
HTTP_PORT = 80
MAX_TABS = 8
"""Each tab is a process; a page that reloads in a loop must not fill the machine."""
MAX_MESSAGE_BYTES = 1 << 20
FILES = {
    "/": ("index.html", "text/html"),
    "/cockpit.css": ("cockpit.css", "text/css"),
    "/cockpit.js": ("cockpit.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who may come in, and what they may do."""

    token: str
    hosts: frozenset[str]
    """Allowed values of the Host header, with port."""
    origins: frozenset[str]
    """Allowed values of the Origin header."""
    may_decide: bool


def rights_for(
    host: str, port: int, *, token: str, extra_origins: list[str], may_decide: bool
) -> Rights:
    """Rights for a server on this address.

    Args:
        host: Address that is listened on.
        port: Port.
        token: What a visitor must know.
        extra_origins: Origins of a proxy in front of it, such as "https://lab.example".
        may_decide: Let visitors write decisions and requests.

    Raises:
        WebError: An origin is not of the form scheme://host.
    """
    names = (host, "127.0.0.1", "localhost", "[::1]")
    hosts = {f"{name}:{port}" for name in names}
    if port == HTTP_PORT:
        # Browsers leave the usual port out.
        hosts.update(names)
    origins = {f"http://{each}" for each in hosts}
    for each in extra_origins:
        parts = urlsplit(each)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
            raise WebError(f"--origin {each!r} is no origin; expected such as https://lab.example")
        origins.add(f"{parts.scheme}://{parts.netloc}")
        hosts.add(parts.netloc)
    return Rights(
        token=token, hosts=frozenset(hosts), origins=frozenset(origins), may_decide=may_decide
    )


def application(rights: Rights, words: list[str]) -> web.Application:
    """The web application.

    Args:
        rights: Who may come in.
        words: Words after `rsi tui` with which each tab's process is started.
    """
    app = web.Application(middlewares=[_guard(rights)], client_max_size=MAX_MESSAGE_BYTES)
    tabs: dict[object, CockpitProcess | None] = {}
    for path in FILES:
        app.router.add_get(path, _file)

    async def open_tab(request: web.Request) -> web.StreamResponse:
        return await _socket(request, words, tabs)

    app.router.add_get("/socket", open_tab)

    async def close(_: web.Application) -> None:
        await asyncio.gather(*(each.close() for each in tuple(tabs.values()) if each is not None))

    app.on_shutdown.append(close)
    return app


def _guard(rights: Rights) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = refusal(request, rights)
        if problem:
            log.warning("refused path=%s reason=%s", request.path, problem)
            return web.Response(status=403, text=f"refused: {problem}\n", headers=HEADERS)
        if request.path == "/" and "token" in request.query:
            # The token leaves the address bar, and with it histories and screenshots.
            answer = web.Response(status=303, headers={**HEADERS, "Location": "/"})
            answer.set_cookie(COOKIE, rights.token, httponly=True, samesite="Strict", path="/")
            return answer
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guard


def refusal(request: web.Request, rights: Rights) -> str:
    """Why a request is refused; empty when it is let in."""
    if request.headers.get("Host", "") not in rights.hosts:
        return "this host name is not allowed"
    origin = request.headers.get("Origin")
    is_socket = request.path == "/socket"
    if (origin is not None or is_socket) and origin not in rights.origins:
        return "this origin is not allowed"
    given = request.cookies.get(COOKIE, "")
    if request.path == "/":
        given = request.query.get("token", given)
    if not secrets.compare_digest(given.encode(), rights.token.encode()):
        return "open the address that `rsi web` printed; it holds the token"
    return ""


async def _file(request: web.Request) -> web.StreamResponse:
    name, kind = FILES[request.path]
    content = (Path(__file__).parent / "browser" / name).read_text(encoding="utf-8")
    return web.Response(text=content, content_type=kind)


async def _socket(
    request: web.Request, words: list[str], tabs: dict[object, CockpitProcess | None]
) -> web.StreamResponse:
    # Starting one takes a moment, in which others must not slip in beside it.
    if len(tabs) >= MAX_TABS:
        return web.Response(status=503, text=f"{MAX_TABS} tabs are open already; close one\n")
    place = object()
    tabs[place] = None
    try:
        return await _serve_tab(request, words, tabs, place)
    finally:
        tabs.pop(place, None)


async def _serve_tab(
    request: web.Request, words: list[str], tabs: dict[object, CockpitProcess | None], place: object
) -> web.StreamResponse:
    columns = _bounded(request.query.get("columns"), 40, 300, 80)
    rows = _bounded(request.query.get("rows"), 12, 120, 24)
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=30)
    await socket.prepare(request)
    process = await CockpitProcess.start(words, columns=columns, rows=rows)
    tabs[place] = process
    drawing = asyncio.create_task(_draw(process, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await process.handle(message.data)
    finally:
        # Counted until it has ended, so that shutting down waits for it as well.
        await process.close()
        drawing.cancel()
    return socket


async def _draw(process: CockpitProcess, socket: web.WebSocketResponse) -> None:
    try:
        async for text in process.screen():
            await socket.send_str(text)
        await socket.close()
    except ConnectionError:
        # The tab was closed while its last picture was on the way.
        return


def _bounded(text: str | None, low: int, high: int, fallback: int) -> int:
    if text is None or not text.isdecimal() or len(text) > 6:
        return fallback
    return min(high, max(low, int(text)))


def serve(args: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit code.

    Raises:
        WebError: The address is taken, or a setting cannot work.
        AgentError: The ledger cannot be opened.
    """
    if args.allow_decisions and args.demo:
        raise WebError(
            "--demo shows a recording; there is nothing to decide, leave --allow-decisions out"
        )
    rights = rights_for(
        args.host,
        args.port,
        token=_token(),
        extra_origins=args.origin,
        may_decide=args.allow_decisions,
    )
    if not args.demo:
        # A tab that cannot open the ledger would only go blank; say it here, where somebody reads.
        open_ledger(Home.find(), is_read_only=not args.allow_decisions).close()
    words = ["--demo"] if args.demo else [] if args.allow_decisions else ["--read-only"]
    try:
        web.run_app(
            application(rights, words),
            host=args.host,
            port=args.port,
            # Called once it listens: an address that is taken is never promised.
            print=lambda *_: _announce(args.host, args.port, rights),
            access_log=None,
        )
    except OSError as error:
        raise WebError(
            f"cannot listen on {args.host}:{args.port} ({error.strerror}); try --port"
        ) from error
    return 0


def _token() -> str:
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    if len(token) < LEAST_TOKEN_CHARACTERS:
        raise WebError(
            f"{TOKEN_VARIABLE} has {len(token)} characters; use {LEAST_TOKEN_CHARACTERS} or more"
        )
    return token


def _announce(host: str, port: int, rights: Rights) -> None:
    what = "may decide" if rights.may_decide else "read-only"
    sys.stdout.write(
        f"cockpit ({what}) at http://{host}:{port}/?token={rights.token}\n"
        "whoever has this address has these rights; Ctrl-C ends it, campaigns go on\n"
    )
    sys.stdout.flush()
    if host not in {"127.0.0.1", "localhost", "::1"}:
        sys.stderr.write(
            "rsi: this address can be reached from other machines without encryption; "
            "put a proxy with TLS in front of it and name it with --origin\n"
        )
