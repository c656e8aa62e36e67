"""Git servers of a test's own: a real sshd on a high port with its own keys, and git's own backend behind HTTP."""

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BACKEND = Path("/usr/lib/git-core/git-http-backend")


def git(repository, *arguments, stdin=None):
    """What plain git says, for a look behind the scenes."""
    where = [] if repository is None else [f"--git-dir={repository}"]
    done = subprocess.run(
        ["git", *where, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@contextmanager
def ssh_server(folder, tmp_path, monkeypatch):
    """An sshd that lets one fresh key in; git's ssh is told of it as a person would tell it."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd is None:
        pytest.skip("no sshd is installed here (Debian: openssh-server)")
    place = tmp_path / "ssh"
    place.mkdir()
    for name in ("host", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True
        )
    shutil.copy(place / "key.pub", place / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (place / "known").write_text(f"[127.0.0.1]:{port} {(place / 'host.pub').read_text()}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it and Debian's service makes it
    options = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": place / "host", "PidFile": "none", "UsePAM": "no",
        "AuthorizedKeysFile": place / "authorized", "StrictModes": "no", "KexAlgorithms": "curve25519-sha256", "PasswordAuthentication": "no",
    }  # fmt: skip
    settings = [f"-o{key}={value}" for key, value in options.items()]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", "/dev/null", *settings], stderr=log)
    known = f"-oUserKnownHostsFile={place / 'known'}"
    monkeypatch.setenv(
        "GIT_SSH_COMMAND", f"ssh -F none -i {place / 'key'} -oIdentitiesOnly=yes {known}"
    )
    try:
        _wait_for(port, process)
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("sshd did not start")


@contextmanager
def http_server(folder, tmp_path, monkeypatch):
    """git-http-backend behind a user and a password."""
    if not BACKEND.exists():
        pytest.skip("git-http-backend is not here")

    class Backend(BaseHTTPRequestHandler):
        def _serve(self):
            if self.headers["Authorization"] != "Basic YWRhOmh1bnRlcjIy":  # ada:hunter22
                self.send_error(401)
                return
            path, _, query = self.path.partition("?")
            variables = {
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "ada",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_CONFIG_GLOBAL": "/dev/null",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }  # fmt: skip
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            done = subprocess.run([BACKEND], input=body, capture_output=True, env=variables)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for key, value in fields.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://ada:hunter22@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
