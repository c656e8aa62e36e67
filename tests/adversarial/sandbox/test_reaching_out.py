"""Attacks that reach for the network, other sockets, other processes, the kernel and devices."""

import os
import socket
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.types import ExecOutcome, Mount

pytestmark = pytest.mark.slow


def host_addresses() -> list[str]:
    """Addresses at which a sandbox with a network would find this host."""
    found = {"127.0.0.1"}
    for line in Path("/proc/net/fib_trie").read_text().split("Local:")[0].splitlines():
        word = line.split()[-1]
        with suppress(OSError):
            socket.inet_aton(word)
            found.add(word)
    return sorted(
        each for each in found if each.count(".") == 3 and not each.endswith((".0", ".255"))
    )


TCP = """
import socket
for address in {addresses}:
    try:
        with socket.create_connection((address, {port}), timeout=1) as s: s.sendall(b"exfil")
        print("out"); break
    except OSError: pass
"""
UDP = """
import socket
query = b"\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x05exfil\\0\\0\\x01\\0\\x01"
for address in {addresses}:
    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, (address, {port}))
    except OSError: pass
"""


def test_sending_by_tcp(arena, walls_up):
    with socket.create_server(("0.0.0.0", 0)) as server:
        program = TCP.format(addresses=host_addresses(), port=server.getsockname()[1])
        result = arena.run(program, without=() if walls_up else ("network",))
    assert result.outcome is ExecOutcome.OK
    assert (b"out" not in result.stdout) is walls_up


def test_sending_a_dns_query_by_udp(arena, walls_up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 0))
        server.settimeout(1.0)
        program = UDP.format(addresses=host_addresses(), port=server.getsockname()[1])
        arena.run(program, without=() if walls_up else ("network",))
        try:
            received = server.recv(100)
        except TimeoutError:
            received = b""
    assert (b"exfil" not in received) is walls_up


def test_sending_by_ipv6(arena, walls_up):
    if arena.kind == "docker" and not walls_up:
        pytest.skip("an engine's bridge has no IPv6 by default")
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6")
    with server:
        program = TCP.format(addresses=["::1"], port=server.getsockname()[1])
        result = arena.run(program, without=() if walls_up else ("network",))
    assert (b"out" not in result.stdout) is walls_up


def test_resolving_a_name_fails_at_once(arena):
    program = "import socket\ntry: socket.getaddrinfo('example.org', 80); print('resolved')\nexcept OSError: pass"
    result = arena.run(program)
    assert (result.outcome, result.stdout) == (ExecOutcome.OK, b"")
    assert result.wall_s < 5


def test_reaching_an_abstract_socket_of_the_host(arena, walls_up):
    if arena.kind == "docker" and not walls_up:
        pytest.skip("an engine never shares its network namespace in our profile, bridge included")
    name = f"\0rsi-attack-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        program = f"import socket\ntry: socket.socket(socket.AF_UNIX).connect({name!r}); print('out')\nexcept OSError: pass"
        result = arena.run(program, without=() if walls_up else ("network",))
    assert (b"out" not in result.stdout) is walls_up


def test_talking_to_the_docker_socket(arena, walls_up, tmp_path):
    """The wall is that it is not there; somebody who mounts it opens it."""
    tmp_path.chmod(0o755)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o666)
        server.listen()
        program = """
import socket
for path in ("/run/docker.sock", "/var/run/docker.sock", "/engine/docker.sock"):
    try: socket.socket(socket.AF_UNIX).connect(path); print("out")
    except OSError: pass
"""
        mounts = () if walls_up else (Mount(source=tmp_path, target="/engine"),)
        result = arena.run(program, mounts=mounts)
    assert (b"out" not in result.stdout) is walls_up


@pytest.mark.parametrize("family", [16, 17, 38, 40], ids=["netlink", "packet", "alg", "vsock"])
def test_opening_an_exotic_socket(arena, walls_up, family):
    kind = {
        16: socket.SOCK_RAW,
        17: socket.SOCK_DGRAM,
        38: socket.SOCK_SEQPACKET,
        40: socket.SOCK_STREAM,
    }[family]
    if not walls_up:
        if family == 17:
            pytest.skip("packet sockets need a capability besides")
        try:
            socket.socket(family, kind, 0).close()
        except OSError as error:
            pytest.skip(f"this kernel has no such sockets: {error}")
    program = f"import socket\ntry: socket.socket({family}, {int(kind)}, 0); print('open')\nexcept OSError: pass"
    result = arena.run(program, without=() if walls_up else ("seccomp",))
    assert (b"open" not in result.stdout) is walls_up


CALLS = {
    "ptrace": """
pid = os.fork()
if pid == 0: time.sleep(5); os._exit(0)
got = libc.ptrace(16, pid, 0, 0); os.kill(pid, 9)
""",
    "keyring": "got = libc.syscall({add_key}, b'user', b'rsi-attack', b'secret', 6, -2)",
    "user namespace": "got = libc.unshare(0x10000000)",
    "new mount namespace by clone": """
got = libc.syscall({clone}, 0x10020000 | 17, 0, 0, 0, 0)
if got == 0: os._exit(0)
""",
    "read another process": """
pid = os.fork()
if pid == 0: time.sleep(5); os._exit(0)
import ctypes as c
class V(c.Structure): _fields_ = [("base", c.c_void_p), ("len", c.c_size_t)]
mine = c.create_string_buffer(8); secret = c.create_string_buffer(b"secret!!")
l, r = V(c.addressof(mine), 8), V(c.addressof(secret), 8)
got = libc.process_vm_readv(pid, c.byref(l), 1, c.byref(r), 1, 0); os.kill(pid, 9)
""",
    "limits of the supervisor": "got = 0 if not resource_prlimit() else -1",
    "io_uring": "got = libc.syscall(425, 1, c.create_string_buffer(120))",
}
CALL_HEAD = """
import ctypes as c, os, resource, time
libc = c.CDLL(None, use_errno=True)
def resource_prlimit():
    pid = os.fork()
    if pid == 0: time.sleep(5); os._exit(0)
    try: resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, 8)); failed = False
    except OSError: failed = True
    os.kill(pid, 9)
    return failed
"""


@pytest.mark.parametrize("call", list(CALLS))
def test_a_dangerous_system_call(arena, walls_up, call):
    numbers = {"x86_64": {"add_key": 248, "clone": 56}, "aarch64": {"add_key": 217, "clone": 220}}
    body = CALLS[call]
    for name, number in numbers[os.uname().machine].items():
        body = body.replace("{" + name + "}", str(number))
    program = f"{CALL_HEAD}\n{body}\nprint('done' if got >= 0 else 'refused')"
    result = arena.run(program, without=() if walls_up else ("seccomp",))
    if (
        not walls_up
        and arena.kind == "docker"
        and call in ("user namespace", "new mount namespace by clone")
    ):
        pytest.skip("the container's missing capabilities refuse it as well")
    if not walls_up and b"done" not in result.stdout and call == "io_uring":
        pytest.skip("this kernel has io_uring switched off")
    assert (b"refused" in result.stdout, b"done" in result.stdout) == (walls_up, not walls_up), (
        result
    )


def test_signals_to_the_supervisor_change_nothing(arena, walls_up):
    program = """
import os, signal, time
target = 1 if os.getppid() == 1 else os.getppid()
for number in sorted(set(signal.Signals) - {signal.SIGCHLD}):
    try: os.kill(target, number)
    except OSError: pass
time.sleep(0.2)
print("still here")
"""
    with arena.open(without=() if walls_up else ("host",)) as sandbox:
        if walls_up:
            result = sandbox.exec(["python", "-c", program])
            assert (result.outcome, result.stdout) == (ExecOutcome.OK, b"still here\n")
            assert sandbox.exec(["echo", "next"]).stdout == b"next\n"
        else:
            with pytest.raises(SandboxBrokenError):
                sandbox.exec(["python", "-c", program])


@pytest.mark.parametrize(
    "place",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ],
)
def test_opening_kernel_settings_for_writing(arena, walls_up, place):
    if not walls_up and (os.geteuid() != 0 or not os.access(place, os.W_OK)):
        pytest.skip("this user may not do it on the host either")
    program = f"import os\ntry: os.close(os.open({place!r}, os.O_WRONLY)); print('open')\nexcept OSError: pass"
    result = arena.run(program, without=() if walls_up else ("host",))
    assert (b"open" not in result.stdout) is walls_up


def test_opening_a_device(arena, walls_up):
    program = """
import os
for name in ("kmsg", "mem", "kvm", "fuse", "loop-control", "vda", "sda", "nvme0n1", "dm-0"):
    try: os.close(os.open("/dev/" + name, os.O_RDONLY)); print(name)
    except OSError: pass
"""
    if not walls_up and os.geteuid() != 0:
        pytest.skip("this user may not do it on the host either")
    result = arena.run(program, without=() if walls_up else ("host",))
    assert (result.stdout == b"") is walls_up


def test_seeing_processes_of_the_host(arena, walls_up):
    program = f"""
import os
print(sum(open(f"/proc/{{p}}/cmdline", "rb").read() != b"" for p in os.listdir("/proc") if p == "{os.getpid()}"))
print(len([p for p in os.listdir("/proc") if p.isdigit()]))
"""
    result = arena.run(program, without=() if walls_up else ("host",))
    seen = int(result.stdout.split()[1])
    assert (seen <= 3) is walls_up


def test_killing_processes_of_the_host(arena, walls_up):
    """Signal 0 reaches whoever could be killed."""
    program = f"import os\ntry: os.kill({os.getpid()}, 0); print('reached')\nexcept OSError: pass"
    result = arena.run(program, without=() if walls_up else ("host",))
    assert (b"reached" not in result.stdout) is walls_up
