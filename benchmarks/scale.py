"""What grows with campaigns, workers and events, measured at a hundredth of 1,000 workers, 100,000 campaigns and 10^9 events.

On a PostgreSQL of its own where one is installed, else on SQLite. Every line gives the cost at several sizes taken in turn
in one run, and the growth for ten times as many: 1x is constant, 10x is linear. `docs/explanation/scale.md` reads them.
"""

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.cockpit.ledgers import campaign, fill_campaigns
from tests.postgres import postgres_binaries, postgres_cluster

from rsi.agent.queue.reconciling import reconcile
from rsi.agent.queue.worker import engine_url
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignRecord,
    DecisionAction,
    DecisionRecord,
    RoundRecord,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
    utc_now,
)

REPEATS = 7
Sizes = Sequence[int]


@contextmanager
def homes() -> Iterator[Callable[[str], Home]]:
    """Makes empty homes by name, all on one database server where there is one."""
    with tempfile.TemporaryDirectory(prefix="rsi-scale-") as folder:
        binaries = postgres_binaries()
        if binaries is None:
            print("PostgreSQL's initdb and pg_ctl are not here: all on SQLite")
            yield lambda name: Home(root=Path(folder) / name).create()
            return
        with postgres_cluster(binaries) as server:
            yield lambda name: Home(
                root=Path(folder) / name, database_url=server.create_database(name)
            ).create()


def median_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Wall milliseconds of one call, the first left out."""
    work()
    taken = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun_s)
    return 1000 * statistics.median(taken)


def show(what: str, unit: str, sizes: Sizes, costs: Sequence[float]) -> None:
    """One line: the cost at each size, and the growth for ten times as many."""
    cells = "  ".join(f"{size:>7,}: {cost:8.2f}" for size, cost in zip(sizes, costs, strict=True))
    steps = len(sizes) - 1
    growth = (costs[-1] / costs[0]) ** (1 / steps) if steps and costs[0] > 0 else float("nan")
    print(f"  {what:<46} {unit:<10} {cells}   {growth:4.1f}x for ten times as many", flush=True)


def campaigns(make: Callable[[str], Home], sizes: Sizes) -> None:
    """Looks at a ledger of ended campaigns: what a cockpit and an idle worker cost."""
    looks: dict[str, list[float]] = {}
    for size in sizes:
        home = make(f"campaigns{size}")
        with Ledger.open(home) as ledger:
            fill_campaigns(ledger, range(size))
            client = EngineClient(engine_url(home))
            one = campaign(size // 2).id
            for name, work in (
                ("list all campaigns", ledger.campaigns),
                ("one campaign's summary", partial(ledger.campaign_summary, one)),
                ("a worker's look for news", partial(look, ledger)),
                ("reconcile ledger and engine", partial(reconcile, ledger, client)),
            ):
                looks.setdefault(name, []).append(median_ms(work))
            client.close()
    print("campaigns in the ledger")
    for name, costs in looks.items():
        show(name, "ms", sizes, costs)


def look(ledger: Ledger) -> None:
    ledger.cursor()
    ledger.requests()


def queue(make: Callable[[str], Home], sizes: Sizes) -> None:
    """The queue's engine: enqueueing, and from a look of a worker to the campaign being its own."""
    enqueue, take = [], []
    for size in sizes:
        client = EngineClient(engine_url(make(f"queue{size}")))
        begun_s = time.perf_counter()
        for number in range(size):
            client.queue(campaign(number).id)
        enqueue.append(1000 * (time.perf_counter() - begun_s) / size)

        def start(client: EngineClient = client) -> None:
            assert client.assign(client.waiting()[0], "bench")

        take.append(median_ms(start))
        client.close()
    print("campaigns that wait")
    show("enqueue one", "ms", sizes, enqueue)
    show("a free worker's look and take", "ms", sizes, take)


def workers(make: Callable[[str], Home], sizes: Sizes) -> None:
    """Signs of life: what one costs, and what all of them are to read."""
    beat, read = [], []
    for size in sizes:
        with Ledger.open(make(f"workers{size}")) as ledger:
            now = ledger.now()
            records = [
                WorkerRecord(
                    id=f"w{n}", host=f"h{n}", pid=n, started_at=now, heartbeat_at=now, version="0"
                )
                for n in range(size)
            ]
            for each in records:
                ledger.heartbeat(each)
            beat.append(median_ms(partial(ledger.heartbeat, records[0])))
            read.append(median_ms(ledger.workers))
    print("workers")
    show("one heartbeat", "ms", sizes, beat)
    show("read all workers", "ms", sizes, read)


def events(make: Callable[[str], Home], writers: Sizes, seconds: float) -> None:
    """Trajectory events of 6.6 kB a second that writers append, ten at a time, each to a round of its own."""
    rates = []
    for count in writers:
        home = make(f"events{count}")
        with Ledger.open(home) as ledger:
            record = campaign()
            ledger.add_campaign(record)
            for n in range(count):
                ledger.add_round(round_of(record, n))
        written = [0] * count
        ends_s = time.monotonic() + seconds

        def write(
            n: int, home: Home = home, ends_s: float = ends_s, written: list[int] = written
        ) -> None:
            with Ledger.open(home) as own:
                while time.monotonic() < ends_s:
                    own.add_events([event(n, written[n] + at) for at in range(10)])
                    written[n] += 10

        threads = [threading.Thread(target=write, args=(n,)) for n in range(count)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        rates.append(sum(written) / seconds)
    print("trajectory events")
    show("events a second, by writers", "1/s", writers, rates)


def event(writer: int, seq: int) -> TrajectoryEvent:
    return TrajectoryEvent(
        round_id=f"{campaign().id}-{writer + 1:04d}", agent=AgentRole.PROPOSER, seq=seq,
        at=utc_now() + timedelta(seconds=seq), kind=TrajectoryKind.MODEL, payload={"texts": ["x" * 6_300]},
    )  # fmt: skip


def chain(make: Callable[[str], Home], sizes: Sizes) -> None:
    """Decisions are in one hash chain, whose writers take turns: what one more costs, and verifying them all."""
    one, whole = [], []
    for size in sizes:
        with Ledger.open(make(f"chain{size}")) as ledger:
            record = campaign()
            ledger.add_campaign(record)
            for n in range(size + REPEATS + 1):
                ledger.add_round(round_of(record, n))
            left = iter([decision(record, n) for n in range(size + REPEATS + 1)])
            for _ in range(size):
                ledger.add_decision(next(left))
            one.append(median_ms(lambda: ledger.add_decision(next(left))))  # noqa: B023
            whole.append(median_ms(ledger.verify_chain, 3))
    print("decisions in the chain")
    show("write one", "ms", sizes, one)
    show("verify them all", "ms", sizes, whole)


def round_of(record: CampaignRecord, n: int) -> RoundRecord:
    return RoundRecord(
        id=f"{record.id}-{n + 1:04d}", campaign_id=record.id, number=n + 1, champion_commit="a" * 40,
        created_at=record.created_at,
    )  # fmt: skip


def decision(record: CampaignRecord, n: int) -> DecisionRecord:
    return DecisionRecord(
        round_id=f"{record.id}-{n + 1:04d}", action=DecisionAction.REJECT, actor="person:bench", reason="", commit="b" * 40,
        score_digest="c" * 64, at=record.created_at,
    )  # fmt: skip


def references(sizes: Sizes) -> None:
    """A lineage keeps a git ref for every candidate: what one more costs, and what reading all does."""
    add, read = [], []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="rsi-scale-") as folder:

            def git(*words: str, stdin: str = "", folder: str = folder) -> str:
                done = subprocess.run(
                    ["git", f"--git-dir={folder}", *words], input=stdin, capture_output=True, text=True, check=True,
                )  # fmt: skip
                return done.stdout.strip()

            git("init", "--bare", "-q", folder)
            tree = git("mktree")
            commit = git(
                "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x"
            )
            lines = "".join(f"create refs/rsi/candidates/r{n:06d} {commit}\n" for n in range(size))
            git("update-ref", "--stdin", stdin=lines)
            add.append(median_ms(partial(git, "update-ref", "refs/rsi/candidates/new", commit)))
            read.append(median_ms(partial(git, "for-each-ref")))
    print("a lineage's candidates")
    show("git update-ref of one", "ms", sizes, add)
    show("git for-each-ref", "ms", sizes, read)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="of writing events, for each number of writers"
    )
    args = parser.parse_args()
    cut = 10 if args.quick else 1

    def of(*sizes: int) -> Sizes:
        return [max(1, size // cut) for size in sizes]

    with homes() as make:
        campaigns(make, of(100, 1_000, 10_000))
        queue(make, of(100, 1_000))
        workers(make, of(10, 100, 1_000))
        events(make, (1, 10), args.seconds / cut)
        chain(make, of(20, 200, 2_000))
    references(of(100, 1_000, 10_000))


if __name__ == "__main__":
    main()
