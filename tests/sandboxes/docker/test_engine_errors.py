"""What an engine that stops answering, or lost an image, looks like from outside; no engine needed."""

import pytest
import requests
from docker.errors import ImageNotFound

from rsi.sandboxes.docker.backend import DockerBackend
from rsi.sandboxes.docker.containers import ContainerMeter, attached
from rsi.sandboxes.docker.images import BuildSettings
from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.types import Environment

BARE = Environment(name="bare")


class Client:
    """An engine's client whose every call ends in one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @property
    def api(self) -> "Client":
        return self

    def __getattr__(self, name: str) -> object:
        def fail(*args: object, **options: object) -> object:
            raise self._error

        return fail


class Backend(DockerBackend):
    """A backend with such a client, whose images are always at hand."""

    def __init__(self, error: Exception) -> None:
        super().__init__(settings=BuildSettings())
        self._image_ids[BARE] = "sha256:old"
        self.client = Client(error)

    def prepare(self, environment: Environment, progress: object = None) -> str:
        return self._image_ids.setdefault(environment, "sha256:built-again")


GONE = requests.exceptions.ConnectionError("the engine went away")


def test_a_connection_that_breaks_is_a_broken_sandbox_and_no_internal_error():
    client = Client(GONE)
    with pytest.raises(SandboxBrokenError, match="went away"), attached(client, "c"):
        pass
    meter = ContainerMeter(client, "c", 0.0)
    meter.kill()  # there is nothing left to end
    with pytest.raises(SandboxBrokenError, match="went away"):
        meter.end(None)
    with pytest.raises(SandboxBrokenError, match="went away"):
        Backend(GONE).strays()
    with pytest.raises(SandboxBrokenError, match="went away"):
        Backend(GONE)._image_of(BARE)


def test_images_that_cannot_be_pruned_do_not_stop_a_start():
    Backend(GONE)._prune("sha256:new")
    Backend(ImageNotFound("removed by somebody else"))._prune("sha256:new")


def test_an_image_that_another_process_removed_is_built_again():
    assert Backend(ImageNotFound("no such image"))._image_of(BARE) == "sha256:built-again"
