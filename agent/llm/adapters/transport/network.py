"""HTTP clients for the SDKs, with proxies and certificates from the environment in every form that people have them.

The libraries read the same variables, and raise on some of these forms when a client is made or used. Here each is
read, or refused in one sentence that names the variable. Redirects are never followed: a key must not go where a server
points.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rsi.agent.llm.errors import ModelSpecError

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SCHEMES = {
    "http": "http", "https": "https", "socks5": "socks5", "socks5h": "socks5h", "socks": "socks5h",
}  # fmt: skip
"""How a proxy's scheme is spoken; `socks://` is what desktops write for version 5."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}
_KEEP_ALIVE = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),)
"""A model that thinks for minutes sends nothing, and routers forget silent connections."""

Library = Any
"""`httpx` or `httpx2`, which have the same names; typed loosely, since either may be missing."""


class Watcher(Protocol):
    """Sees what becomes of each request before the client does."""

    def answered(self, response: Any) -> Any:  # noqa: ANN401 (a Response of either library)
        """Take a response; what is returned is given to the client in its place."""

    def failed(self, error: Exception) -> None:
        """Take note of a request that got none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where requests to a server go instead."""

    url: str
    variable: str
    """The environment variable that says so."""

    @property
    def shown(self) -> str:
        """Without a password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def library_of(sdk: Any) -> Library:  # noqa: ANN401 (a module)
    """The HTTP library that an SDK is built on, told by what its own client derives from."""
    return import_module(sdk.DefaultHttpxClient.__mro__[1].__module__)


def http_client(
    library: Library,
    *,
    timeout_s: float,
    environ: Mapping[str, str] | None = None,
    transport: Any = None,  # noqa: ANN401 (of either library)
) -> Any:  # noqa: ANN401 (of either library)
    """A client of one of the two libraries.

    Args:
        library: `httpx` or `httpx2`.
        timeout_s: Longest wait for a connection, and for the next byte.
        environ: Environment to read; None is the process's own.
        transport: What `http_transport` made; None makes one.

    Raises:
        ModelSpecError: A variable of the environment names a proxy or certificates that cannot be used.
    """
    return library.Client(
        transport=transport or http_transport(library, environ=environ),
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
    )


def http_transport(
    library: Library,
    *,
    environ: Mapping[str, str] | None = None,
    watcher: Watcher | None = None,
) -> Any:  # noqa: ANN401 (of either library)
    """What carries the requests of a client.

    Args:
        library: `httpx` or `httpx2`.
        environ: Environment to read; None is the process's own.
        watcher: Sees what becomes of each request first.

    Raises:
        ModelSpecError: A variable of the environment names a proxy or certificates that cannot be used.
    """
    variables = os.environ if environ is None else environ
    check_network(variables)

    class Routed(library.BaseTransport):  # type: ignore[misc]  # a class of either library
        """Sends each request through the proxy that the environment names for its address, if any."""

        def __init__(self) -> None:
            self._routes: dict[tuple[str | None, ...], Any] = {}

        def handle_request(self, request: Any) -> Any:  # noqa: ANN401 (either library's)
            proxy = proxy_for(str(request.url), variables)
            via = proxy.url if proxy else None
            route = (via, *map(variables.get, CERTIFICATE_VARIABLES))
            if route not in self._routes:
                self._routes[route] = library.HTTPTransport(
                    verify=_certificates(variables) or True, proxy=via, socket_options=_KEEP_ALIVE
                )
            try:
                response = self._routes[route].handle_request(request)
            except library.TransportError as error:
                told = type(error)(
                    _with_causes(error, str(request.url.host), proxy), request=request
                )
                if watcher:
                    watcher.failed(told)
                raise told from error
            response.request = request
            return watcher.answered(response) if watcher else response

        def close(self) -> None:
            for transport in self._routes.values():
                transport.close()

    return Routed()


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that the environment names for an address; None when it is reached directly.

    Raises:
        ModelSpecError: The variable's value is no proxy that can be used.
    """
    target = urlsplit(url)
    port = target.port or _PORTS.get(target.scheme)
    if _is_direct(target.hostname or "", port, _value(environ, "NO_PROXY")[1]):
        return None
    for name in (f"{target.scheme}_PROXY", "ALL_PROXY"):
        variable, value = _value(environ, name)
        if value:
            return _proxy(variable, value)
    return None


def check_network(environ: Mapping[str, str]) -> None:
    """Read every variable about proxies and certificates once.

    Raises:
        ModelSpecError: One has a value that cannot be used.
    """
    check_proxies(environ)
    _certificates(environ)


def check_proxies(environ: Mapping[str, str]) -> None:
    """Read every proxy variable once.

    Raises:
        ModelSpecError: One has a value that is no proxy.
    """
    for name in _PROXIES:
        variable, value = _value(environ, name)
        if value:
            _proxy(variable, value)


def network_problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What an environment says of proxies and certificates that cannot work: a sentence for each variable."""
    found: list[str] = []
    for name in (*_PROXIES, *CERTIFICATE_VARIABLES):
        only = {each: environ[each] for each in (name.lower(), name) if each in environ}
        try:
            check_network(only)
        except ModelSpecError as error:
            found.append(str(error))
    return tuple(found)


def _value(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """A variable in small or capital letters; the small one counts first, as everywhere."""
    for variable in (name.lower(), name.upper()):
        if value := environ.get(variable, "").strip().strip("'\""):
            return variable, value
    return name.upper(), ""


def _proxy(variable: str, value: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        has_address = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        has_address = False
    scheme = url.partition("://")[0].lower()
    if not has_address or scheme not in _SCHEMES:
        wrong = "is no address of a proxy" if not has_address else f"has the scheme {scheme!r}"
        raise ModelSpecError(
            f"the environment variable {variable} {wrong}; write one such as http://proxy:3128 or socks5://proxy:1080, "
            "or unset it"
        )
    return Proxy(url=_SCHEMES[scheme] + url[len(scheme) :].rstrip("/"), variable=variable)


def _is_direct(host: str, port: int | None, exceptions: str) -> bool:
    """Whether NO_PROXY takes a host out: names, suffixes, addresses of both versions, with port, and networks."""
    for each in exceptions.replace(",", " ").split():
        if each == "*" or _covers(each, host.lower(), port):
            return True
    return False


def _covers(pattern: str, host: str, port: int | None) -> bool:
    pattern = pattern.lower().partition("://")[2] or pattern.lower()
    address = _address(host)
    for name, number in ((pattern, None), _without_port(pattern)):
        if number is not None and number != port:
            continue
        network = _network(name.strip("[]"))
        if network is not None:
            if address is not None and address in network:
                return True
            continue
        suffix = name.removeprefix("*").removeprefix(".")
        if suffix and (host == suffix or host.endswith("." + suffix)):
            return True
    return False


def _without_port(pattern: str) -> tuple[str, int | None]:
    name, _, number = pattern.rpartition(":")
    return (name, int(number)) if name and number.isdecimal() else (pattern, None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.partition("%")[0], strict=False)
    except ValueError:
        return None


def _certificates(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """Trust in the certificates that the environment names; None when it names none.

    Raises:
        ModelSpecError: They cannot be read.
    """
    for variable in CERTIFICATE_VARIABLES:
        value = environ.get(variable, "").strip()
        if not value:
            continue
        path = Path(value)
        try:
            if path.is_dir():
                return ssl.create_default_context(capath=value)
            return ssl.create_default_context(cafile=value)
        except OSError as error:  # ssl.SSLError is one
            reason = "does not exist" if not path.exists() else f"holds no certificates ({error})"
            raise ModelSpecError(
                f"the environment variable {variable} names {value!r}, which {reason}; name a file of certificates in "
                "PEM form, or unset it"
            ) from None
    return None


def _with_causes(error: Exception, host: str, proxy: Proxy | None) -> str:
    """What went wrong with a connection, and which variable may be why."""
    said = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return f"{said}: the certificate of {host} is not trusted; name your own authority's in SSL_CERT_FILE"
    if proxy is not None:
        return f"{said} (through {proxy.shown}, which {proxy.variable} names; NO_PROXY={host} goes around it)"
    return f"{said} ({host})"
