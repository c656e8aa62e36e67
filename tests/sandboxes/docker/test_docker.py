"""What only an engine has: images, profiles, labels, strays."""

import secrets
import subprocess
import time
from dataclasses import replace

import pytest

from rsi.sandboxes.docker.backend import HOST_LABEL, OWNER_LABEL, DockerBackend, _host_tag
from rsi.sandboxes.docker.images import BuildSettings, list_images, prepare_image, prune_images
from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.sandboxes.types import Environment, Mount

pytestmark = pytest.mark.docker


def own_containers(backend) -> list[dict]:
    return backend.client.api.containers(all=True, filters={"label": HOST_LABEL})


def test_the_container_is_locked_down_as_the_engine_sees_it(docker_backend, make_spec, tmp_path):
    spec = replace(
        make_spec(cpus=(0,)), mounts=(Mount(source=tmp_path, target="/given"),), label="round-7"
    )
    with docker_backend.open(spec):
        newest = max(own_containers(docker_backend), key=lambda each: each["Created"])
        facts = docker_backend.client.api.inspect_container(newest["Id"])
    host = facts["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert not host["Privileged"]
    assert host["AutoRemove"]
    assert host["Memory"] == host["MemorySwap"] == spec.limits.memory_bytes + (16 << 20)
    assert (host["CpusetCpus"], host["LogConfig"]["Type"], host["IpcMode"]) == (
        "0",
        "none",
        "private",
    )
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert any(option.startswith("seccomp={") for option in host["SecurityOpt"])
    assert facts["Config"]["User"] == "65534:65534"
    assert facts["Config"]["Labels"]["rsi.label"] == "round-7"
    assert [mount["RW"] for mount in facts["Mounts"]] == [False]
    assert host["ShmSize"] == spec.limits.shm_bytes


def test_a_closed_sandbox_leaves_no_container(docker_backend, make_spec):
    with docker_backend.open(make_spec()) as sandbox:
        sandbox.exec(["true"])
        inside = len(own_containers(docker_backend))
    assert len(own_containers(docker_backend)) == inside - 1


def test_the_reaper_takes_the_dead_ones_container_and_no_other(docker_backend, make_spec):
    image = docker_backend.prepare(make_spec().environment)
    api = docker_backend.client.api
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    labels = [
        {HOST_LABEL: _host_tag(), OWNER_LABEL: f"{dead.pid}.1"},
        {HOST_LABEL: "another-host", OWNER_LABEL: f"{dead.pid}.1"},
    ]
    ids = [api.create_container(image, ["true"], labels=each)["Id"] for each in labels]
    try:
        with docker_backend.open(make_spec()) as sandbox:
            assert ids[0] in docker_backend.strays()
            assert docker_backend.reap() == (ids[0],)
            assert sandbox.exec(["echo", "alive"]).stdout == b"alive\n"
        assert [each["Id"] for each in own_containers(docker_backend) if each["Id"] in ids] == [
            ids[1]
        ]
    finally:
        api.remove_container(ids[1], force=True)


def test_an_image_is_built_once_and_named_by_its_inputs(docker_backend, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "ARG RSI_BASE_IMAGE\nFROM ${RSI_BASE_IMAGE}\nCOPY note.txt /note.txt\nCOPY .rsi /opt/inputs\n"
    )
    (tmp_path / "note.txt").write_text(secrets.token_hex())  # no earlier run left this image
    environment = Environment(name="probe-image", dockerfile=tmp_path)
    settings = BuildSettings.from_environ()
    client = docker_backend.client
    lines: list[str] = []
    try:
        first = prepare_image(client, environment, settings, lines.append)
        assert first.startswith("sha256:")
        assert any("Step" in line for line in lines)
        started = time.monotonic()
        assert prepare_image(client, environment, settings) == first
        assert time.monotonic() - started < 5
        (tmp_path / "note.txt").write_text("two")
        second = prepare_image(client, environment, settings)
        assert second != first
        ours = [each for each in list_images(client) if each.environment == "probe-image"]
        assert {each.image_id for each in ours} == {first, second}
        keep = [each.image_id for each in list_images(client) if each.environment != "probe-image"]
        assert set(prune_images(client, keep=keep)) == {first}
    finally:
        for each in list_images(client):
            if each.environment == "probe-image":
                client.api.remove_image(each.image_id, force=True)


def test_a_build_that_fails_tells_the_end_of_its_output(docker_backend, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "ARG RSI_BASE_IMAGE\nFROM ${RSI_BASE_IMAGE}\nRUN echo the reason is here && exit 7\n"
    )
    environment = Environment(name="probe-fails", dockerfile=tmp_path)
    with pytest.raises(EnvironmentBuildError, match="the reason is here"):
        prepare_image(docker_backend.client, environment, BuildSettings.from_environ())


def test_a_base_image_that_cannot_be_had_is_named(docker_backend):
    settings = BuildSettings(base_image="localhost:1/none/such:1")
    with pytest.raises(EnvironmentBuildError, match="RSI_BASE_IMAGE"):
        prepare_image(docker_backend.client, Environment(name="none"), settings)


def test_an_engine_that_is_not_there_is_unavailable_with_advice(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    availability = DockerBackend().availability()
    assert not availability.is_available
    assert "install and start Docker" in availability.reason


def test_a_runtime_that_is_not_there_is_unavailable(docker_backend):
    availability = DockerBackend(runtime="no-such-runtime").availability()
    assert not availability.is_available
    assert "no-such-runtime" in availability.reason
