"""A cockpit in a pseudo-terminal, as a person has it: bytes in, cells out."""

import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from fcntl import ioctl

import pyte
import pytest


class Terminal:
    """A cockpit in a pseudo-terminal."""

    def __init__(self, home, *words: str, size=(36, 120), **environment: str) -> None:
        self.raw = b""
        self.screen = pyte.Screen(size[1], size[0])
        self.stream = pyte.ByteStream(self.screen)
        variables = {
            "PATH": os.environ["PATH"], "HOME": str(home), "RSI_HOME": str(home), "TERM": "xterm-256color",
            "LANG": "C.UTF-8", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none", **environment,
        }  # fmt: skip
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(
                sys.executable,
                [sys.executable, "-P", "-m", "rsi.tui.main", "tui", *words],
                variables,
            )
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def read(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    return
                self.raw += data
                # pyte does not know private replies; they are no text.
                self.stream.feed(re.sub(rb"\x1b\[[?>=][0-9;]*[a-zA-Z$]+", b"", data))

    def wait_for(self, text: str, seconds: float = 25.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < end, f"{text!r} did not appear:\n{self.text}"
            self.read(0.1)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def press(self, keys: str, seconds: float = 0.5) -> None:
        os.write(self.fd, keys.encode())
        self.read(seconds)

    def close(self) -> int:
        self.press("\x11", 0.3)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        pytest.fail("the cockpit did not end")
