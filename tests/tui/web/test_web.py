"""The browser's door: who has no token, comes from elsewhere or under another name stays outside."""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

import pyte
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, Step
from rsi.tui.errors import WebError
from rsi.tui.web import server as web
from rsi.tui.widgets.sightings import SEEN_AFTER_S

TOKEN = "a-token-of-enough-length"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip


@pytest.fixture
async def door(monkeypatch, tmp_path):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rights = web.rights_for("127.0.0.1", port, token=TOKEN, extra_origins=[], may_decide=False)
    server = TestServer(web.application(rights, ["--read-only"]), port=port)
    client = TestClient(server)
    await client.start_server()
    yield client, f"http://127.0.0.1:{port}"
    await client.close()


async def test_without_the_token_nothing_is_served(door):
    client, _ = door
    for path in ("/", "/cockpit.js", "/cockpit.css", "/socket"):
        answer = await client.get(path, allow_redirects=False)
        assert answer.status == 403, path
        assert "token" in await answer.text() or path == "/socket"
    assert (await client.get("/?token=wrong", allow_redirects=False)).status == 403


async def test_the_token_becomes_a_cookie_and_leaves_the_address(door):
    client, _ = door
    answer = await client.get(f"/?token={TOKEN}", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = await client.get("/")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"


async def test_nothing_is_loaded_from_elsewhere(door):
    client, _ = door
    await client.get(f"/?token={TOKEN}")
    for path in web.FILES:
        text = await (await client.get(path)).text()
        assert not re.search(r"(?:src|href|url\(|import)\s*[=(]?\s*[\"']?(?:https?:)?//", text), (
            path
        )


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", None, "http://127.0.0.1:1", "https://127.0.0.1"]
)
async def test_a_socket_from_another_origin_is_refused(door, origin):
    client, _ = door
    await client.get(f"/?token={TOKEN}")
    headers = {} if origin is None else {"Origin": origin}
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect("/socket", headers=headers)
    assert caught.value.status == 403


async def test_a_name_that_was_made_to_point_here_is_refused(door):
    client, origin = door
    await client.get(f"/?token={TOKEN}")
    answer = await client.get(
        "/", headers={"Host": "evil.example", "Cookie": f"{web.COOKIE}={TOKEN}"}
    )
    assert answer.status == 403
    assert "host" in await answer.text()
    answer = await client.get("/cockpit.js", headers={"Origin": "http://evil.example"})
    assert answer.status == 403
    assert (await client.get("/cockpit.js", headers={"Origin": origin})).status == 200


def test_a_proxy_is_trusted_by_its_exact_origin_only():
    rights = web.rights_for(
        "127.0.0.1", 8321, token=TOKEN, extra_origins=["https://lab.example/"], may_decide=True
    )
    assert "https://lab.example" in rights.origins
    assert "lab.example" in rights.hosts
    assert "http://lab.example" not in rights.origins
    for wrong in ("lab.example", "ftp://x", "https://x/path", "*"):
        with pytest.raises(WebError):
            web.rights_for("127.0.0.1", 1, token=TOKEN, extra_origins=[wrong], may_decide=False)


def test_on_the_usual_port_browsers_leave_it_out():
    rights = web.rights_for("127.0.0.1", 80, token=TOKEN, extra_origins=[], may_decide=False)
    assert {"127.0.0.1", "localhost", "localhost:80"} <= rights.hosts
    assert "http://localhost" in rights.origins
    other = web.rights_for("127.0.0.1", 81, token=TOKEN, extra_origins=[], may_decide=False)
    assert "localhost" not in other.hosts


async def test_a_burst_of_tabs_stays_within_the_bound(door, monkeypatch):
    client, origin = door
    await client.get(f"/?token={TOKEN}")
    started, may_go = 0, asyncio.Event()

    async def start(*_: object, **__: object) -> None:
        nonlocal started
        started += 1
        await may_go.wait()
        raise ConnectionResetError

    monkeypatch.setattr(web.CockpitProcess, "start", start)
    asked = [
        asyncio.create_task(client.get("/socket", headers={"Origin": origin, **UPGRADE}))
        for _ in range(web.MAX_TABS + 4)
    ]
    async with asyncio.timeout(30):
        while sum(each.done() for each in asked) < 4 or started < web.MAX_TABS:
            # Those that got a place have switched protocols and wait.
            await asyncio.sleep(0.02)
    assert started == web.MAX_TABS
    statuses = [(await each).status for each in asked if each.done()]
    assert statuses.count(503) == 4
    may_go.set()
    await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.slow
async def test_a_tab_shows_the_cockpit_and_takes_keys(door, tmp_path):
    client, origin = door
    await client.get(f"/?token={TOKEN}")
    Ledger.open(Home(root=tmp_path / "home").create()).close()
    screen = pyte.Screen(100, 30)
    stream = pyte.Stream(screen)
    async with client.ws_connect("/socket?columns=100&rows=30", headers={"Origin": origin}) as tab:

        async def see(text: str) -> None:
            async with asyncio.timeout(60):
                while text not in "\n".join(screen.display):
                    message = await tab.receive()
                    assert isinstance(message.data, str), message
                    stream.feed(re.sub(r"\x1b\[[?>=<][0-9;]*[a-zA-Z$]+", "", message.data))

        await see("Campaigns")
        await tab.send_str("not json")
        await tab.send_str(json.dumps(["keys", 5]))
        await tab.send_str(json.dumps(["size", [1, 1]]))
        await tab.send_str(json.dumps(["keys", "8"]))
        await see("This cockpit")
        assert "read-only" in "\n".join(screen.display)
        await tab.send_str(json.dumps(["keys", "q"]))


def test_a_short_token_and_a_demo_with_decisions_are_refused(monkeypatch):
    args = argparse.Namespace(host="127.0.0.1", port=1, origin=[], allow_decisions=True, demo=True)
    with pytest.raises(WebError, match="recording"):
        web.serve(args)
    monkeypatch.setenv(web.TOKEN_VARIABLE, "short")
    args.demo = False
    with pytest.raises(WebError, match="16 or more"):
        web.serve(args)


class Browser:
    """A headless Chromium, spoken to over its debugging socket."""

    def __init__(self, session: ClientSession, socket_: ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket_
        self._number = 0

    async def call(self, method: str, **parameters: object) -> dict:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(60):
            while True:
                answer = json.loads((await self._socket.receive()).data)
                if answer.get("id") == self._number:
                    return answer.get("result", {})

    async def value(self, script: str) -> object:
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return found.get("result", {}).get("value")

    async def see(self, text: str, seconds: float = 60) -> str:
        shown = ""
        async with asyncio.timeout(seconds):
            while text not in shown:
                shown = str(await self.value("document.body.innerText"))
                await asyncio.sleep(0.2)
        return shown


@contextlib.asynccontextmanager
async def browser(profile: Path):
    process = await asyncio.create_subprocess_exec(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}",
        "--window-size=1200,700", "about:blank", stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            while b"ws://" not in (row := await process.stderr.readline()):
                assert row, "chromium ended"
        port = re.search(rb"ws://127.0.0.1:(\d+)/", row)[1].decode()
        async with ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
            page = next(each for each in pages if each["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket_:
                yield Browser(session, socket_)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
async def test_a_real_browser_draws_it_takes_keys_and_keeps_other_pages_out(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rsi.tui.main", "web", "--demo", "--port", str(port),
        env={**os.environ, "RSI_HOME": str(tmp_path / "home"), web.TOKEN_VARIABLE: TOKEN}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert b"read-only" in await server.stdout.readline()
        async with browser(tmp_path / "profile") as chromium:
            await chromium.call("Page.navigate", url=f"http://127.0.0.1:{port}/?token={TOKEN}")
            shown = await chromium.see("recorded")
            assert "1 Queue" in shown
            assert "token" not in str(await chromium.value("location.href"))
            assert await chromium.value("document.cookie") == "", "scripts cannot read the token"
            await chromium.call("Input.dispatchKeyEvent", type="keyDown", key="5", text="5")
            await chromium.see("Leaderboard")
            # The same browser holds the cookie; a page of another origin still does not get in.
            await chromium.call("Page.navigate", url="data:text/html,<p>elsewhere</p>")
            await chromium.see("elsewhere")
            answer = await chromium.value(
                f"new Promise(done => {{ const s = new WebSocket('ws://127.0.0.1:{port}/socket');"
                " s.onopen = () => done('open'); s.onerror = () => done('refused'); })"
            )
            assert answer == "refused"
    finally:
        server.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.wait(), 30)


@pytest.mark.slow
async def test_a_server_without_a_ledger_says_so_at_once(tmp_path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rsi.tui.main", "web", env={**os.environ, "RSI_HOME": str(tmp_path)}, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 5
    assert b"no ledger" in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("may_decide", [True, False])
async def test_who_holds_the_token_approves_in_a_browser_only_where_decisions_are_allowed(
    sample, tmp_path, may_decide
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--allow-decisions"] if may_decide else []
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rsi.tui.main", "web", "--port", str(port), *words,
        env={**os.environ, "RSI_HOME": str(sample.home.root), web.TOKEN_VARIABLE: TOKEN}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said = b"may decide" if may_decide else b"read-only"
        assert said in await server.stdout.readline()
        async with browser(tmp_path / "profile") as chromium:

            async def press(key: str) -> None:
                text = {"text": key} if len(key) == 1 else {}
                await chromium.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)

            await chromium.call("Page.navigate", url=f"http://127.0.0.1:{port}/?token={TOKEN}")
            await chromium.see("Campaigns")
            await press("3")
            shown = await chromium.see("hunks")
            while "seen 2 of 2 hunks" not in shown:
                await press(" ")
                await asyncio.sleep(2 * SEEN_AFTER_S)
                shown = str(await chromium.value("document.body.innerText"))
            await asyncio.sleep(1)  # longer than the moment in which keys typed ahead are not meant
            await press("a")
            if may_decide:
                commit = sample.ledger.step("c1120-4f2a-0005", Step.COMMIT, 0).commit
                await chromium.see("cancel (default)")
                assert commit[:10] in await chromium.see(commit[:10])
                await asyncio.sleep(1)
            await press("y")
            await asyncio.sleep(1)  # long enough for a decision to be written, were one allowed
            await chromium.see("Nothing waits." if may_decide else "read-only")
        decided = [
            (each.action, each.commit) for each in sample.ledger.decisions("c1120-4f2a-0005")
        ]
        assert decided == ([(DecisionAction.APPROVE, commit)] if may_decide else [])
    finally:
        server.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.wait(), 30)
