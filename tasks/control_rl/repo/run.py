"""Entry of the task: read the body, learn within the budget, write the policy. Protected."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from policy import write_policy
from search.learn import learn


def main() -> None:
    """Learn one policy."""
    folder = Path(os.environ["RSI_IO"])
    body = json.loads((folder / "public" / "body.json").read_text(encoding="ascii"))
    budget_cpu_s = json.loads(os.environ["RSI_BUDGET_JSON"])["limit"]
    weights, clock_hz = learn(body, int(os.environ["RSI_SEED"]), budget_cpu_s)
    write_policy(folder / "out" / "policy.json", weights, clock_hz)


if __name__ == "__main__":
    main()
