"""The filter refuses what it names, run here by a small BPF machine, and its tables match the kernel's."""

import errno
import json
import re
import struct
from pathlib import Path

import pytest

from rsi.sandboxes.bubblewrap import seccomp

ALLOWED = 0x7FFF0000


def decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What a classic BPF filter answers to one call."""
    call = struct.pack("=IIQ", number, arch, 0) + struct.pack("=6Q", *(*arguments, *[0] * 6)[:6])
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", call, operand)
        elif operation == 0x06:
            return operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: accumulator & operand,
            }
            at += if_true if holds[operation] else if_false


def refusal(code: int) -> int:
    return 0x00050000 | code


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request):
    return request.param


def test_every_denied_call_is_refused_on_both_architectures(machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    column = list(seccomp.AUDIT_ARCH).index(machine)
    for name, numbers in seccomp.DENIED.items():
        if numbers[column] is not None:
            assert decide(program, arch, numbers[column]) == refusal(errno.EPERM), name


def test_the_pinned_alone_choose_other_cores_in_vain(machine):
    column, arch = list(seccomp.AUDIT_ARCH).index(machine), seccomp.AUDIT_ARCH[machine]
    number = seccomp.SCHED_SETAFFINITY[column]
    assert decide(seccomp.bpf_program(machine), arch, number) == ALLOWED
    pinned = seccomp.bpf_program(machine, keeps_cores=True)
    assert decide(pinned, arch, number) == refusal(0)


def test_a_call_left_open_is_allowed(machine):
    column = list(seccomp.AUDIT_ARCH).index(machine)
    program = seccomp.bpf_program(machine, allow=["ptrace"])
    number = seccomp.DENIED["ptrace"][column]
    assert decide(program, seccomp.AUDIT_ARCH[machine], number) == ALLOWED


def test_a_foreign_architecture_ends_the_process(machine):
    other = seccomp.AUDIT_ARCH["aarch64" if machine == "x86_64" else "x86_64"]
    assert decide(seccomp.bpf_program(machine), other, 0) == 0x80000000


def test_threads_may_start_and_namespaces_may_not(machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    column = list(seccomp.AUDIT_ARCH).index(machine)
    assert decide(program, arch, seccomp.CLONE[column], 0x3D0F00) == ALLOWED
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(program, arch, seccomp.CLONE[column], bit | 17) == refusal(errno.EPERM)
    assert decide(program, arch, seccomp.CLONE3[column]) == refusal(errno.ENOSYS)


@pytest.mark.parametrize("family", range(64))
def test_only_unix_and_internet_sockets_pass(family, machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    column = list(seccomp.AUDIT_ARCH).index(machine)
    wanted = ALLOWED if family in (1, 2, 10) else refusal(errno.EAFNOSUPPORT)
    for call in (seccomp.SOCKET, seccomp.SOCKETPAIR):
        assert decide(program, arch, call[column], family, 1) == wanted
        # The kernel looks at the low half only: garbage above must not change the answer.
        assert decide(program, arch, call[column], 0xABCD << 32 | family, 1) == wanted


def test_terminal_injection_is_refused_even_with_a_dirty_high_half(machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    column = list(seccomp.AUDIT_ARCH).index(machine)
    for request in (seccomp.TIOCSTI, seccomp.TIOCLINUX, 1 << 32 | seccomp.TIOCSTI):
        assert decide(program, arch, seccomp.IOCTL[column], 0, request) == refusal(errno.EPERM)
    assert decide(program, arch, seccomp.IOCTL[column], 0, 0x5401) == ALLOWED


def test_only_ones_own_limits_can_be_set(machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    column = list(seccomp.AUDIT_ARCH).index(machine)
    assert decide(program, arch, seccomp.PRLIMIT64[column], 0, 7) == ALLOWED
    assert decide(program, arch, seccomp.PRLIMIT64[column], 1, 7) == refusal(errno.EPERM)


def test_calls_newer_than_the_table_do_not_exist(machine):
    program, arch = seccomp.bpf_program(machine), seccomp.AUDIT_ARCH[machine]
    assert decide(program, arch, 500) == refusal(errno.ENOSYS)
    if machine == "x86_64":
        assert decide(program, arch, seccomp.X32_BIT | 101) == refusal(errno.ENOSYS)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0),
        ("/usr/include/asm-generic/unistd.h", 1),
    ],
)
def test_the_tables_match_the_kernel_headers(header, column):
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    known = {
        name: int(number)
        for name, number in re.findall(
            r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()
        )
    }
    table = {
        **seccomp.DENIED,
        "sched_setaffinity": seccomp.SCHED_SETAFFINITY,
        "clone": seccomp.CLONE,
        "clone3": seccomp.CLONE3,
        "socket": seccomp.SOCKET,
        "socketpair": seccomp.SOCKETPAIR,
        "prlimit64": seccomp.PRLIMIT64,
        "ioctl": seccomp.IOCTL,
    }
    wrong = {
        name: (numbers[column], known[name])
        for name, numbers in table.items()
        if name in known and numbers[column] != known[name]
    }
    assert wrong == {}
    assert len(known.keys() & table.keys()) > 50


def test_the_engine_profile_names_the_same_calls():
    profile = json.loads(json.dumps(seccomp.docker_profile()))
    named = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert set(seccomp.DENIED) <= named
    assert {"socket", "socketpair", "clone", "clone3", "ioctl", "prlimit64"} <= named


def test_a_machine_without_a_table_is_refused():
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.bpf_program("riscv64")
