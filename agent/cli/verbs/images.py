"""`rsi images`: what the Docker backend built for tasks."""

import argparse
import time

from rsi.agent.cli.context import emit, note, table
from rsi.sandboxes.docker.backend import DockerBackend
from rsi.sandboxes.docker.images import list_images, prune_images
from rsi.sandboxes.errors import BackendUnavailableError
from rsi.tasks.format.loader import load_task

MIB = 1 << 20


def build(args: argparse.Namespace) -> int:
    """Build a task's image, or find the one that its inputs already made."""
    task = load_task(args.task)
    identity = _backend().prepare(task.environment, progress=note)
    emit(args, {"task": task.name, "image": identity}, [identity])
    return 0


def list_(args: argparse.Namespace) -> int:
    """Images that rsi built, newest first."""
    found = list_images(_backend().client)
    rows = [
        (
            each.environment,
            each.image_id.removeprefix("sha256:")[:12],
            each.inputs[:12],
            f"{each.size_bytes / MIB:.0f} MiB",
            time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.created_s)),
        )
        for each in found
    ]
    lines = table(("environment", "image", "inputs", "size", "built"), rows)
    emit(args, list(found), lines if found else ["no image yet; `rsi images build TASK` makes one"])
    return 0


def prune(args: argparse.Namespace) -> int:
    """Remove the images that newer ones of the same environment replaced."""
    removed = prune_images(_backend().client)
    emit(args, list(removed), [f"removed {each}" for each in removed] or ["nothing to remove"])
    return 0


def _backend() -> DockerBackend:
    backend = DockerBackend()
    availability = backend.availability()
    if not availability.is_available:
        raise BackendUnavailableError(f"images need a Docker engine: {availability.reason}")
    return backend
