"""A headless Chromium, driven over its debugging socket: where to go, what stands there, what it costs."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse
from cockpit.terminal import cpu_of, family


class Browser:
    """One page."""

    def __init__(self, pid: int, socket: ClientWebSocketResponse) -> None:
        self.pid = pid
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: object) -> dict[str, object]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(message)
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._number:
                return dict(answer.get("result", {}))

    async def press(self, key: str) -> None:
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)

    async def see(self, text: str, seconds: float = 120) -> None:
        """Wait until a text stands on the page; looking for it costs the page little."""
        script = f"document.body.innerText.includes({text!r})"
        end = time.monotonic() + seconds
        while True:
            found = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
            if dict(found.get("result", {})).get("value"):  # type: ignore[call-overload]
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} did not appear on the page")
            await asyncio.sleep(0.1)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its processes."""
        return cpu_of(family(self.pid))


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """Chromium on an empty page."""
    process = await asyncio.create_subprocess_exec(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--remote-debugging-port=0", f"--user-data-dir={profile}", "--window-size=1280,860", "about:blank",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        while b"ws://" not in (row := await process.stderr.readline()):
            assert row, "chromium ended"
        found = re.search(rb"ws://127.0.0.1:(\d+)/", row)
        assert found is not None
        async with ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{found[1].decode()}/json")).json()
            page = next(each for each in pages if each["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Browser(process.pid, socket)
    finally:
        process.kill()
        await process.wait()
