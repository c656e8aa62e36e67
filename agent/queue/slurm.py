"""Workers as jobs of a Slurm cluster, submitted through submitit, which only this module imports.

A job serves until nothing is left that it may run. Before its wall time is up Slurm sends it SIGUSR2, and its campaigns are
handed on to other workers. Does not: wait for a job, or copy a home; compute nodes see the same files as this machine.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from rsi.agent.errors import AgentError
from rsi.agent.queue.worker import worker_command
from rsi.agent.store.home import Home

JOB_NAME = "rsi-worker"
HAND_ON_S = 300
"""So long before the wall time a job is told: most steps of a round end within it, and a longer one loses its runs in flight."""
LEAST_SHARE = 4
"""A short job is told when a quarter of its time is left."""


class SlurmUnavailableError(AgentError, OSError):
    """There is no Slurm here, it refuses, or what talks to it is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJobs:
    """What is asked of Slurm, for each of some equal jobs."""

    count: int
    partition: str | None
    """None takes the cluster's own default."""
    gpus: int
    cpus: int
    minutes: int
    labels: tuple[str, ...]

    @property
    def signal(self) -> str:
        """Which signal is sent how many seconds before the wall time, as Slurm takes it."""
        return f"USR2@{min(HAND_ON_S, 60 * self.minutes // LEAST_SHARE)}"


def submit(home: Home, jobs: SlurmJobs) -> tuple[str, ...]:
    """Put workers into Slurm's queue; returns the jobs' ids. Their logs are in `slurm_logs`.

    Raises:
        SlurmUnavailableError: submitit or Slurm is not there, or Slurm refused.
    """
    try:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError
    except ImportError as error:
        raise SlurmUnavailableError(
            "jobs are submitted through submitit, which is not installed; `pip install 'rsi-lab[slurm]'`"
        ) from error
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise SlurmUnavailableError("there is no sbatch and srun here; run this on a login node")
    executor = SlurmExecutor(folder=slurm_logs(home))
    executor.update_parameters(
        job_name=JOB_NAME,
        time=jobs.minutes,
        cpus_per_task=jobs.cpus,
        **({} if jobs.partition is None else {"partition": jobs.partition}),
        **({"gpus_per_node": jobs.gpus} if jobs.gpus else {}),
        # Whatever the environment sets for submitit's own signal.
        additional_parameters={"signal": jobs.signal},
    )
    try:
        made = executor.map_array(
            serve_in_job, [str(home.root)] * jobs.count, [jobs.labels] * jobs.count
        )
    except (FailedJobError, FailedSubmissionError) as error:
        said = [line for line in str(error).splitlines() if "error" in line.lower()]
        reason = said[-1].strip() if said else str(error).strip().splitlines()[-1]
        raise SlurmUnavailableError(f"Slurm did not take the jobs: {reason}") from error
    return tuple(each.job_id for each in made)


def slurm_logs(home: Home) -> Path:
    """Where jobs say what they do, one file a job."""
    return home.logs / "slurm"


def serve_in_job(home_root: str, labels: tuple[str, ...]) -> None:
    """What a job does: it becomes a worker like any other."""
    os.environ["RSI_HOME"] = home_root
    command = worker_command(labels)
    os.execv(command[0], command)  # noqa: S606  words of our own, and no shell
