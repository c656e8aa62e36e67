"""Entry of the task: ask the harness for programs and hand in their bytecode. Protected.

Each program is compiled in a process of its own that starts from the same state, so that nothing carries over.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness_link import Refused, connect
from quill import compile_program

CPU_S = 2
"""A program whose compilation takes longer has no bytecode."""


def main() -> None:
    """Compile until there is no program left."""
    dialects = json.loads((Path(os.environ["RSI_IO"]) / "public" / "dialects.json").read_text())
    with connect() as harness:
        while not (asked := harness.call("next").head)["is_done"]:
            code, words = compiled(asked["source"], dialects[asked["dialect"]])
            if words:
                print(f"program {asked['number']}: {words}", flush=True)
                continue
            try:
                harness.call("bytecode", number=asked["number"], code=code)
            except (Refused, ValueError) as problem:
                print(f"program {asked['number']}: {problem}", flush=True)


def compiled(source: str, dialect: dict) -> tuple[object, str]:
    """Bytecode, or one line about why there is none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        try:
            said = json.dumps({"code": compile_program(source, dialect)})
        except BaseException as problem:  # noqa: BLE001 - whatever a compiler does, the next program gets its turn
            said = json.dumps({"why": f"{type(problem).__name__}: {problem}"[:200]})
        with os.fdopen(writing, "w") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return None, "the compiler died or took too long"
    answer = json.loads(text)
    return answer.get("code"), answer.get("why", "")


if __name__ == "__main__":
    main()
