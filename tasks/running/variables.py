"""Environment variables of the two kinds of sandbox: all that a candidate and a harness are told.

Invariant: the same task, profile and seed give the same variables, byte for byte.
"""

import json
from collections.abc import Sequence

from rsi.tasks.harness_kit.verbs import TASK_VARIABLE
from rsi.tasks.types import Profile, Task


def candidate_variables(
    profile: Profile, training_seed: int, gpus: Sequence[str] = ()
) -> dict[str, str]:
    """Everything that a candidate is told, and settings that keep runs alike; `gpus` are those that it is given."""
    threads = str(profile.cpu_count)
    return {
        "RSI_DEVICE": "cuda" if gpus else "cpu",
        "RSI_IO": "/work/io",
        "RSI_PROFILE": profile.name,
        "RSI_BUDGET_JSON": _compact(_budget(profile)),
        "RSI_SEED": str(training_seed),
        # One fixed value would turn luck of the dictionary's layout into a bias that no repetition averages out.
        "PYTHONHASHSEED": str(training_seed % 2**32),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def harness_variables(task: Task, profile: Profile) -> dict[str, str]:
    """What a harness may know of the loaded task, and where its modules are."""
    declared = {
        "task": task.name,
        "track": task.track,
        "profile": profile.name,
        "settings": dict(profile.settings),
        "metric": {
            "name": task.metric.name,
            "kind": task.metric.kind.value,
            "unit": task.metric.unit,
            "direction": task.metric.direction.value,
        },
        "quality": [
            {
                "name": rule.name,
                "unit": rule.unit,
                "direction": rule.direction.value,
                "limit": rule.limit,
            }
            for rule in profile.quality
        ],
        "budget": _budget(profile),
    }
    threads = str(profile.cpu_count)
    return {
        TASK_VARIABLE: _compact(declared),
        "PYTHONPATH": "/work/trusted",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _budget(profile: Profile) -> dict[str, object] | None:
    if profile.budget is None:
        return None
    return {"unit": profile.budget.unit, "limit": profile.budget.limit}


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
