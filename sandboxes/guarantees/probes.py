"""Small programs that try a wall from inside and print only what should not be.

Does not: run here. Each is handed to a sandbox's Python as text.
"""

DEVICES = {
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
    "stdin", "stdout", "tty", "urandom", "zero",
}  # fmt: skip
REFUSED_CALLS = {
    # name: (x86-64 number, aarch64 number, arguments that would do something if they were allowed)
    "unshare": (272, 97, (0x10000000,)),
    "mount": (165, 40, ()),
    "ptrace": (101, 117, ()),
    "keyctl": (250, 219, (0, -3, 1)),
    "bpf": (321, 280, ()),
    "perf_event_open": (298, 241, ()),
    "userfaultfd": (323, 282, ()),
    "setns": (308, 268, (0, 0)),
    "process_vm_readv": (310, 270, (1,)),
    "io_uring_setup": (425, 425, (1,)),
}
CALL_PROGRAM = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
at = {"x86_64": 0, "aarch64": 1}[platform.machine()]
for name, (*numbers, arguments) in %r.items():
    ctypes.set_errno(0)
    got = libc.syscall(numbers[at], *arguments)
    code = errno.errorcode.get(ctypes.get_errno(), "no error")
    if got >= 0 or code not in ("EPERM", "ENOSYS"):
        print(name, got, code)
"""
SOCKET_PROGRAM = """
import socket, errno
for name, family, kind in (("vsock", 40, 1), ("netlink", 16, 3), ("alg", 38, 5), ("packet", 17, 3), ("can", 29, 3)):
    try:
        socket.socket(family, kind, 0)
        print(name, "opened")
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EPERM): print(name, error)
"""
CONNECT_PROGRAM = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", %d)), (socket.AF_INET, ("192.0.2.1", 80)),
                        (socket.AF_INET6, ("2001:db8::1", 80))):
    try:
        with socket.socket(family) as s:
            s.settimeout(2); s.connect(address); print("connected to", address)
    except TimeoutError: print("packets leave towards", address)
    except OSError: pass
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("192.0.2.1", 53)); print("a datagram left")
except OSError: pass
"""
READ_ONLY_PROGRAM = """
import os, sys
for place in ("/", "/usr", "/usr/bin", "/etc", "/dev", "/bin", "/sys", sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)):
    if os.path.isdir(place):
        try:
            os.close(os.open(place + "/rsi-write", os.O_CREAT | os.O_WRONLY)); print(place, "is writable")
        except OSError: pass
"""
PRIVILEGE_PROGRAM = """
import os
lines = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
wanted = {"CapEff": "0" * 16, "CapPrm": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
for name, value in wanted.items():
    if lines.get(name, value).strip() != value: print(name, lines[name])
if os.getuid() == 0: print("runs as root")
"""
KERNEL_PROGRAM = """
for place in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches",
              "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/1/oom_score_adj"):
    try:
        open(place, "w").close(); print(place, "can be opened for writing")
    except OSError: pass
"""
SUPERVISOR_PROGRAM = """
import os
for place in ("/proc/1/mem", "/proc/1/environ", "/proc/1/maps"):
    try:
        open(place, "rb").read(1); print(place, "can be read")
    except OSError: pass
try: os.listdir("/proc/1/fd"); print("its files can be listed")
except OSError: pass
"""
DEVICE_PROGRAM = f"""
import os, stat
print(*sorted(set(os.listdir("/dev")) - {DEVICES!r}))
try: os.mknod("/work/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)); print("made a device")
except OSError: pass
"""
