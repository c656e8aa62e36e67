"""Values are followed wherever Python lets them go: across files, through fields, closures, patterns and rows."""

import pytest

from rsi.evals.types import Severity

WATCH = "import time\n\n\ndef moment():\n    return time.time()\n"
TRAIN = "from trainer.watch import moment\n\n\ndef steps(wanted):\n    return wanted if moment() % 2 > 1 else wanted // 2\n"
CARRIERS = {
    "a field's factory": "import time\nfrom dataclasses import dataclass, field\n\n@dataclass\nclass P:\n    born: float = field(default_factory=time.time)\n\ndef f(p):\n    return 1 if p.born % 2 > 1 else 2\n",
    "a member of an enum": "import enum\nimport time\nfrom functools import partial\n\nclass C(enum.Enum):\n    WALL = partial(time.time)\n\ndef f():\n    return 1 if C.WALL.value() % 2 > 1 else 2\n",
    "a pattern's capture": "import time\n\ndef f():\n    match time.time():\n        case float() as now:\n            return 1 if now % 2 > 1 else 2\n",
    "a list that is filled": "import time\n\ndef f():\n    marks = []\n    marks.append(time.time())\n    return 1 if marks[0] % 2 > 1 else 2\n",
    "a parameter's default": "import time\n\ndef f(now=time.time()):\n    return 1 if now % 2 > 1 else 2\n",
    "rows that are unpacked": "import time\n\ndef f():\n    rows = [('a', 1)]\n    rows.append(('b', time.time()))\n    for name, now in rows:\n        if now % 2 > 1:\n            return name\n",
    "a library's function": "import math\nimport time\n\ndef f():\n    return 1 if math.floor(time.time()) % 2 else 2\n",
    "what a lambda is given": "import time\n\ndef f(xs):\n    return sorted(xs, key=lambda x, now=time.time(): x if now % 2 > 1 else -x)\n",
    "a descriptor": "import time\n\nclass Now:\n    def __get__(self, owner, kind=None):\n        return time.time()\n\nclass P:\n    now = Now()\n\ndef f(p):\n    return 1 if p.now % 2 > 1 else 2\n",
    "star arguments": "import time\n\ndef g(a, now):\n    return a if now % 2 > 1 else -a\n\ndef f():\n    row = (1, time.time())\n    return g(*row)\n",
}


def _held(findings):
    return [each for each in findings if each.severity is not Severity.NOTE]


def test_what_another_new_file_observes_is_known_where_it_decides(findings_of):
    found = findings_of({"trainer/watch.py": WATCH, "trainer/plan.py": TRAIN})
    assert any(each.file == "trainer/plan.py" and each.rule == "clock_case" for each in found)
    quiet = WATCH.replace("time.time()", "4")
    assert not _held(findings_of({"trainer/watch.py": quiet, "trainer/plan.py": TRAIN}))


def test_a_file_that_did_not_change_is_looked_at_for_what_a_changed_one_gives_it(
    task, base_tree, findings_of
):
    from rsi.evals.admission.admission import admit
    from rsi.sandboxes.types import FileEntry

    quiet = WATCH.replace("time.time()", "4")
    base = (
        *base_tree,
        FileEntry(path="trainer/watch.py", content=quiet.encode()),
        FileEntry(path="trainer/plan.py", content=TRAIN.encode()),
    )
    changed = (*base[:-2], FileEntry(path="trainer/watch.py", content=WATCH.encode()), base[-1])
    assert not _held(admit(task, base, base))
    assert any(each.file == "trainer/plan.py" for each in _held(admit(task, base, changed)))


@pytest.mark.parametrize("code", CARRIERS.values(), ids=CARRIERS)
def test_a_clock_is_known_by_whatever_carries_it(findings_of, code):
    assert _held(findings_of({"trainer/plan.py": code}))
    plain = code.replace("time.time()", "4").replace("time.time", "int")
    assert not _held(findings_of({"trainer/plan.py": plain}))


def test_how_long_something_took_is_free_across_files(findings_of):
    timer = "import time\n\n\nclass Timer:\n    def __init__(self):\n        self.start = time.perf_counter()\n\n    def passed(self):\n        return time.perf_counter() - self.start\n"
    user = "from trainer.timer import Timer\n\n\ndef report(loss, timer: Timer):\n    print(f'{loss:.3f} after {timer.passed():.1f} s')\n"
    assert not _held(findings_of({"trainer/timer.py": timer, "trainer/report.py": user}))
