"""One browser tab: a process of the cockpit, its screen as text, keys and sizes to it.

The process talks over its standard streams in packets: one letter (D data, M message), four bytes of length, payload.
"""

import asyncio
import codecs
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Self

GREETING = b"__GANGLION__\n"
"""What Textual's web driver writes before its first packet."""
DRIVER = "textual.drivers.web_driver:WebDriver"
START_S = 30.0
END_S = 5.0
MAX_PACKET_BYTES = 8 << 20
MAX_KEYS_CHARACTERS = 100_000


class CockpitProcess:
    """A running cockpit without a terminal."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, words: list[str], *, columns: int, rows: int) -> Self:
        """Start one.

        Args:
            words: Words after `rsi tui`.
            columns: Width in cells.
            rows: Height in cells.
        """
        environment = {
            **os.environ, "TEXTUAL_DRIVER": DRIVER, "COLUMNS": str(columns), "ROWS": str(rows),
            "TEXTUAL_COLOR_SYSTEM": "truecolor", "TERM_PROGRAM": "textual",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "rsi.tui.main", "tui", *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
        )  # fmt: skip
        return cls(process)

    async def screen(self) -> AsyncIterator[str]:
        """What it draws, as terminal text, until it ends."""
        stdout = self._process.stdout
        if stdout is None:
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            async with asyncio.timeout(START_S):
                while (line := await stdout.readline()) != GREETING:
                    if not line:
                        return
            while True:
                head = await stdout.readexactly(5)
                size = int.from_bytes(head[1:], "big")
                if size > MAX_PACKET_BYTES:
                    return
                payload = await stdout.readexactly(size)
                if head[:1] == b"D":
                    yield decoder.decode(payload)
                elif head[:1] == b"M" and _kind(payload) == "exit":
                    return
        except (asyncio.IncompleteReadError, TimeoutError):
            return

    async def handle(self, text: str) -> None:
        """Take a message of the page: ["keys", text] or ["size", [columns, rows]]; others are ignored."""
        try:
            kind, value = json.loads(text)
        except (ValueError, TypeError):
            return
        if kind == "keys" and isinstance(value, str) and len(value) <= MAX_KEYS_CHARACTERS:
            await self._send(b"D", value.encode(errors="replace"))
        elif kind == "size" and _is_size(value):
            size = {"type": "resize", "width": value[0], "height": value[1]}
            await self._send(b"M", json.dumps(size).encode())

    async def close(self) -> None:
        """End it, once, whoever asks; a caller that is cancelled does not stop the ending."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        await self._send(b"M", json.dumps({"type": "quit"}).encode())
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _send(self, kind: bytes, payload: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None or self._process.returncode is not None:
            return
        try:
            stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return


def _kind(payload: bytes) -> object:
    try:
        found = json.loads(payload)
    except ValueError:
        return None
    return found.get("type") if isinstance(found, dict) else None


def _is_size(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
        and 40 <= value[0] <= 300
        and 12 <= value[1] <= 120
    )
