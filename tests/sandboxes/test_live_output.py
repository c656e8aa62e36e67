"""What a command prints is heard while it runs."""

import time

import pytest

pytestmark = pytest.mark.slow

SPEAKS = "import time\nfor n in range(3): print(n, flush=True); time.sleep(0.3)"


def test_output_is_heard_as_it_comes_and_kept_as_well(backend, make_spec):
    heard = []
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(
            ["python", "-c", SPEAKS],
            on_output=lambda stream, chunk: heard.append((stream, chunk, time.monotonic())),
        )
    assert b"".join(chunk for _, chunk, _ in heard) == result.stdout == b"0\n1\n2\n"
    assert {stream for stream, _, _ in heard} == {"stdout"}
    assert heard[-1][2] - heard[0][2] > 0.4
