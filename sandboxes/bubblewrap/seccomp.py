"""Which system calls a sandbox may not make: one deny-list, as a BPF program and as Docker's JSON.

Does not: replace namespaces. It closes kernel surface that a training run never needs: other socket families,
io_uring, ptrace, keyrings, new namespaces, mounts, BPF, perf, kernel modules.
Sources: linux/seccomp.h, linux/audit.h, linux/bpf_common.h; the syscall tables of x86-64 and of
asm-generic/unistd.h (aarch64) in Linux 6.
"""

import errno
import platform
import struct
from collections.abc import Iterable

ALLOWED_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6: harmless without a network; no netlink, vsock, packet, crypto (AF_ALG) sockets."""
CLONE_FLAGS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
FIRST_UNKNOWN = 463
"""Calls newer than Linux 6.13 were not looked at: they do not exist for a sandbox."""

# name: (x86-64, aarch64); None where the architecture has no such call
DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
}
SCHED_SETAFFINITY = (203, 122)
"""Answered as done, without being done, where a command is pinned to cores by inheritance alone; an engine's cpuset needs
no such help. Not EPERM: OpenMP with OMP_PROC_BIND then starts no thread at all."""
CLONE = (56, 220)
CLONE3 = (435, 435)
SOCKET = (41, 198)
SOCKETPAIR = (53, 199)
PRLIMIT64 = (302, 261)
IOCTL = (16, 29)
TIOCSTI = 0x5412
TIOCLINUX = 0x541C

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
_LOAD, _JUMP_EQ, _JUMP_SET, _JUMP_GE, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def bpf_program(
    machine: str | None = None, *, allow: Iterable[str] = (), keeps_cores: bool = False
) -> bytes:
    """A classic BPF filter, as `bwrap --seccomp` reads it.

    Args:
        machine: "x86_64" or "aarch64"; None for this machine.
        allow: Names of `DENIED`, or "socket", "clone", "prlimit64", left open (the tests' switch).
        keeps_cores: Whether a process may not choose other cores than it starts on.

    Raises:
        ValueError: The machine is neither of the two.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCH:
        raise ValueError(f"no system call table for {machine!r}; known: {', '.join(AUDIT_ARCH)}")
    column = list(AUDIT_ARCH).index(machine)
    opened = set(allow)
    # A foreign architecture would renumber every call: it ends the process.
    code = [(_LOAD, 0, 0, _ARCH_AT), (_JUMP_EQ, 1, 0, AUDIT_ARCH[machine]), (_RETURN, 0, 0, _KILL)]
    code.append((_LOAD, 0, 0, _NUMBER_AT))
    if machine == "x86_64":
        code += [(_JUMP_GE, 0, 1, X32_BIT), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    code += [(_JUMP_GE, 0, 1, FIRST_UNKNOWN), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    if keeps_cores:
        code += [(_JUMP_EQ, 0, 1, SCHED_SETAFFINITY[column]), (_RETURN, 0, 0, _ERRNO)]
    for name, numbers in DENIED.items():
        number = numbers[column]
        if number is not None and name not in opened:
            code += [(_JUMP_EQ, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    if "clone" not in opened:
        # clone3 hides its flags behind a pointer; ENOSYS makes C libraries fall back to clone.
        code += [(_JUMP_EQ, 0, 1, CLONE3[column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
        code += _when_argument(CLONE[column], 0, [(_JUMP_SET, 0, 1, CLONE_FLAGS)], errno.EPERM)
    if "prlimit64" not in opened:
        # Limits of other processes (the supervisor's, say) are not theirs to set.
        code += _when_argument(PRLIMIT64[column], 0, [(_JUMP_EQ, 1, 0, 0)], errno.EPERM)
    for request in (TIOCSTI, TIOCLINUX):
        code += _when_argument(IOCTL[column], 1, [(_JUMP_EQ, 0, 1, request)], errno.EPERM)
    if "socket" not in opened:
        for number in (SOCKET[column], SOCKETPAIR[column]):
            tests = [
                (_JUMP_EQ, len(ALLOWED_FAMILIES) - at, 0, family)
                for at, family in enumerate(ALLOWED_FAMILIES)
            ]
            code += _when_argument(number, 0, tests, errno.EAFNOSUPPORT)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _when_argument(
    number: int, argument: int, tests: list[tuple[int, int, int, int]], error: int
) -> list[tuple[int, int, int, int]]:
    """If the call is `number`, load the low half of an argument and deny unless a test jumps past the denial.

    The last test falls through to the denial or skips one instruction; the accumulator is restored behind it.
    """
    body = [(_LOAD, 0, 0, _ARGS_AT + 8 * argument), *tests, (_RETURN, 0, 0, _ERRNO | error)]
    body.append((_LOAD, 0, 0, _NUMBER_AT))
    return [(_JUMP_EQ, 0, len(body), number), *body]


def docker_profile() -> dict[str, object]:
    """The same list as Docker's JSON profile (default allow; engines add no list of their own to it)."""

    def rule(
        names: list[str], error: int, args: list[dict[str, object]] | None = None
    ) -> dict[str, object]:
        return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": args or []}

    rules = [
        rule(sorted(DENIED), errno.EPERM),
        rule(["clone3"], errno.ENOSYS),
        rule(["prlimit64"], errno.EPERM, [{"index": 0, "value": 0, "op": "SCMP_CMP_NE"}]),
    ]
    rules += [
        rule(["clone"], errno.EPERM, [_masked(0, 1 << bit, 1 << bit)])
        for bit in range(32)
        if CLONE_FLAGS >> bit & 1
    ]
    rules += [
        rule(
            ["ioctl"], errno.EPERM, [_masked(1, 0xFFFFFFFF, request)]
        )  # the kernel drops the high half
        for request in (TIOCSTI, TIOCLINUX)
    ]
    highest = max(ALLOWED_FAMILIES)
    banned = [family for family in range(highest) if family not in ALLOWED_FAMILIES]
    for call in ("socket", "socketpair"):
        rules.append(
            rule([call], errno.EAFNOSUPPORT, [{"index": 0, "value": highest, "op": "SCMP_CMP_GT"}])
        )
        rules += [
            rule([call], errno.EAFNOSUPPORT, [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"}])
            for family in banned
        ]
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [
            "SCMP_ARCH_X86_64" if platform.machine() == "x86_64" else "SCMP_ARCH_AARCH64"
        ],
        "syscalls": rules,
    }


def _masked(index: int, mask: int, expected: int) -> dict[str, object]:
    return {"index": index, "value": mask, "valueTwo": expected, "op": "SCMP_CMP_MASKED_EQ"}
