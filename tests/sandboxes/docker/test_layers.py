"""What takes long to install lies in layers below what changes, and images share them."""

import secrets

from tests.sandboxes.machine.test_environments import a_local_package

from rsi.sandboxes.docker.images import (
    BuildSettings,
    layers_of,
    list_images,
    minimal_dockerfile,
    prepare_image,
)
from rsi.sandboxes.types import Environment


def test_a_heavy_package_has_a_layer_of_its_own_below_the_others():
    lines = ("numpy==2.4.6", "torch==2.13.0", "torchvision==0.28.0", "torch-geometric==2.6")
    assert layers_of(lines) == (
        ("torch==2.13.0",),
        ("numpy==2.4.6", "torchvision==0.28.0", "torch-geometric==2.6"),
    )
    assert layers_of(("tqdm==4.67",)) == (("tqdm==4.67",),)
    assert layers_of(()) == ()


def test_one_requirement_more_changes_nothing_below_its_layer():
    one = minimal_dockerfile(("torch==2.13.0", "numpy==2.4.6"))
    more = minimal_dockerfile(("torch==2.13.0", "numpy==2.4.6", "tqdm==4.67"))
    assert one == more, "only a file of the last layer differs"
    assert "--without-pip" in minimal_dockerfile(())


def test_an_image_with_one_package_more_is_built_on_the_layers_of_another(
    docker_backend, tmp_path, monkeypatch
):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    names = ("torch", f"light{secrets.token_hex(4)}")
    for name in names:
        a_local_package(wheels, name)
    settings = BuildSettings(
        base_image=BuildSettings.from_environ().base_image,
        pip_index_url="http://127.0.0.1:9/none",
        wheel_dir=wheels,
    )
    told: list[str] = []
    try:
        for requirements in (("torch==1.0",), ("torch==1.0", f"{names[1]}==1.0")):
            told.clear()
            environment = Environment(name="probe-layers", requirements=requirements)
            prepare_image(docker_backend.client, environment, settings, told.append)
        heavy = next(at for at, line in enumerate(told) if "COPY .rsi/layers/0.txt" in line)
        light = next(at for at, line in enumerate(told) if "COPY .rsi/layers/1.txt" in line)
        assert sum("Using cache" in line for line in told[heavy:light]) == 2
    finally:
        for each in list_images(docker_backend.client):
            if each.environment == "probe-layers":
                docker_backend.client.api.remove_image(each.image_id, force=True)
