"""Proxies and certificates in every form that people have them: used, or refused with the variable's name."""

import select
import socket
import ssl
import struct
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest
from tests.agent.llm.servers import FakeProvider
from tests.agent.llm.test_adapters import ask

from rsi.agent.llm.adapters.transport.network import (
    CERTIFICATE_VARIABLES,
    check_proxies,
    network_problems,
    proxy_for,
)
from rsi.agent.llm.errors import ModelSpecError, ModelWireError

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable of the machine that the tests run on."""
    for name in (*NAMES, *(each.upper() for each in NAMES), *CERTIFICATE_VARIABLES):
        monkeypatch.delenv(name, raising=False)


class Relay:
    """A proxy that speaks SOCKS 5 or HTTP, whatever comes, and remembers where it was asked to go."""

    def __init__(self):
        self.asked = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(20)
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with suppress(OSError, IndexError), client:
            first = client.recv(1, socket.MSG_PEEK)
            server = self._socks(client) if first == b"\x05" else self._http(client)
            with server:
                while True:
                    for ready in select.select([client, server], [], [], 20)[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        (server if ready is client else client).sendall(data)

    def _socks(self, client):
        _, methods = client.recv(2)
        client.recv(methods)
        client.sendall(b"\x05\x00")
        kind = client.recv(4)[3]
        host = (
            client.recv(client.recv(1)[0]).decode()
            if kind == 3
            else socket.inet_ntoa(client.recv(4))
        )
        (port,) = struct.unpack("!H", client.recv(2))
        self.asked.append(f"socks {host}:{port}")
        client.sendall(b"\x05\x00\x00\x01" + b"\x00" * 6)
        return socket.create_connection(("127.0.0.1", port), timeout=20)

    def _http(self, client):
        head = client.recv(65536)
        method, target, rest = head.split(b" ", 2)
        if method == b"CONNECT":
            self.asked.append(f"connect {target.decode()}")
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            return socket.create_connection(
                ("127.0.0.1", int(target.rpartition(b":")[2])), timeout=20
            )
        place, _, path = target.removeprefix(b"http://").partition(b"/")
        self.asked.append(f"http {place.decode()}")
        server = socket.create_connection(("127.0.0.1", int(place.rpartition(b":")[2])), timeout=20)
        server.sendall(b" ".join((method, b"/" + path, rest)))
        return server


@pytest.fixture
def relay():
    made = Relay()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("variable", "form", "through"),
    [
        ("ALL_PROXY", "socks5://{}", "socks"),
        ("all_proxy", "socks5h://{}/", "socks"),
        ("ALL_PROXY", "socks://{}", "socks"),
        ("ALL_PROXY", "SOCKS5://{}", "socks"),
        ("HTTP_PROXY", "http://{}", "http"),
        ("http_proxy", "{}", "http"),
        ("http_proxy", " 'http://{}' ", "http"),
    ],
)
def test_a_call_goes_through_the_proxy_that_the_environment_names(
    make, provider, relay, monkeypatch, variable, form, through
):
    monkeypatch.setenv(variable, form.format(relay.address))
    assert make().complete(ask()).text == "Hello."
    place = provider.root.removeprefix("http://")
    assert relay.asked == [f"{through} {place}"]


@pytest.mark.parametrize(
    "exceptions",
    ["127.0.0.1", "example.com, 127.0.0.0/8", "127.0.0.1:{port}", "*", "::1 127.0.0.1"],
)
def test_a_call_goes_around_the_proxy_where_no_proxy_says_so(
    make, provider, relay, monkeypatch, exceptions
):
    monkeypatch.setenv("ALL_PROXY", f"socks5://{relay.address}")
    monkeypatch.setenv("NO_PROXY", exceptions.format(port=provider.root.rpartition(":")[2]))
    assert make().complete(ask()).text == "Hello."
    assert relay.asked == []


@pytest.mark.parametrize(
    "value",
    ["ftp://proxy:3128", "socks4://proxy:1080", "http://", "http://proxy:port", "http://proxy:99999",
     "http://:3128", "://proxy", "http://u:secret#word@proxy:3128"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_one_sentence_with_the_variable(make, monkeypatch, value):
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(ModelSpecError, match="the environment variable ALL_PROXY ") as caught:
        make().complete(ask())
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_is_gone_is_named_with_the_way_around_it(make, relay, monkeypatch):
    relay.close()
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:secret@{relay.address}")
    with pytest.raises(
        ModelWireError, match=r"which ALL_PROXY names; NO_PROXY=127\.0\.0\.1"
    ) as caught:
        make().complete(ask())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
def test_certificates_that_are_not_there_are_one_sentence_with_the_variable(
    make, monkeypatch, variable
):
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ModelSpecError) as caught:
        make().complete(ask())
    assert str(caught.value) == (
        f"the environment variable {variable} names '/nowhere/ca.pem', which does not exist; name a file of "
        "certificates in PEM form, or unset it"
    )


def test_a_file_without_certificates_is_said_to_hold_none(make, monkeypatch, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ModelSpecError, match=r"SSL_CERT_FILE names .* holds no certificates"):
        make().complete(ask())


@contextmanager
def behind_tls(provider: FakeProvider, folder):
    """The provider with a certificate that nobody signed but itself."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = provider._server
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provider.root = provider.root.replace("http:", "https:")
    yield cert


def test_a_certificate_of_ones_own_is_trusted_when_it_is_named_and_asked_for_when_not(
    make, provider, monkeypatch, tmp_path, relay
):
    with behind_tls(provider, tmp_path) as cert:
        with pytest.raises(ModelWireError, match="name your own authority's in SSL_CERT_FILE"):
            make().complete(ask())
        for variable in CERTIFICATE_VARIABLES:
            if variable == "SSL_CERT_DIR":
                continue
            monkeypatch.setenv(variable, str(cert))
            assert make().complete(ask()).text == "Hello."
            monkeypatch.delenv(variable)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        monkeypatch.setenv("HTTPS_PROXY", f"http://{relay.address}")
        assert make().complete(ask()).text == "Hello."
        assert relay.asked == [f"connect {provider.root.removeprefix('https://')}"]


PROXY = {"ALL_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("exceptions", "url", "is_direct"),
    [
        ("::1", "http://[::1]:8000/v1", True),
        ("[::1]", "http://[::1]:8000/v1", True),
        ("[::1]:8000", "http://[::1]:8000/v1", True),
        ("[::1]:8000", "http://[::1]:9000/v1", False),
        ("0:0:0:0:0:0:0:1", "http://[::1]/", True),
        ("fd00::/8", "http://[fd12::5]:80/", True),
        ("fd00::/8", "http://[fe80::5]:80/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("localhost:80", "http://localhost/v1", True),
        ("localhost:443", "https://localhost/v1", True),
        ("localhost:80", "https://localhost/v1", False),
        ("http://localhost:8000", "http://localhost:8000/v1", True),
        (".example.com", "https://api.example.com/", True),
        ("*.example.com", "https://api.example.com/", True),
        ("example.com", "https://API.Example.com/", True),
        ("ample.com", "https://example.com/", False),
        ("", "https://example.com/", False),
        (",, ,", "https://example.com/", False),
    ],
)
def test_no_proxy_is_read_as_people_write_it(exceptions, url, is_direct):
    found = proxy_for(url, PROXY | {"NO_PROXY": exceptions})
    assert (found is None) == is_direct


def test_the_scheme_chooses_the_variable_and_small_letters_come_first():
    environ = {
        "HTTPS_PROXY": "http://s:1", "HTTP_PROXY": "http://big:1", "http_proxy": "http://small:1",
        "ALL_PROXY": "socks://a:1",
    }  # fmt: skip
    assert proxy_for("https://x/", environ).url == "http://s:1"
    assert proxy_for("http://x/", environ).url == "http://small:1"
    assert proxy_for("https://x/", {"ALL_PROXY": "socks://a:1"}).url == "socks5h://a:1"
    assert proxy_for("http://x/", {"HTTPS_PROXY": "http://s:1"}) is None


def test_every_variable_that_cannot_work_is_told_and_no_other(tmp_path):
    good = {"HTTP_PROXY": "http://p:1", "SSL_CERT_DIR": str(tmp_path)}
    check_proxies(good)
    assert network_problems(good) == ()
    said = network_problems(
        {
            "HTTP_PROXY": "ftp://p",
            "all_proxy": "http://",
            "SSL_CERT_FILE": "/no.pem",
            "CURL_CA_BUNDLE": "/none",
        }
    )
    assert [each.split()[3] for each in said] == [
        "HTTP_PROXY",
        "all_proxy",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
    ]
