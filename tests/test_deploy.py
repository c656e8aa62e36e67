"""The files for containers name what exists: verbs and words, variables, secrets, volumes, services, folders of the repo."""

import re
from pathlib import Path

import pytest
import yaml

from rsi.agent.cli.parser import EPILOG, build_parser

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "docs/how-to/deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PODS = {
    each["metadata"]["name"]: each["spec"]["template"] for each in MANIFESTS if each["kind"] != "Service"
}  # fmt: skip
TOKEN = "RSI_WEB_TOKEN"
KNOWN = {*re.findall(r"RSI_[A-Z_]+", EPILOG), TOKEN}


def words_of_ours():
    services = [each for each in COMPOSE["services"].values() if each["image"] == "rsi"]
    yield from (each["command"] for each in services)
    for pod in PODS.values():
        yield from (each["args"] for each in pod["spec"]["containers"] if each["image"] == "rsi")


@pytest.mark.parametrize("words", list(words_of_ours()), ids=" ".join)
def test_what_the_images_run_is_a_verb_with_its_words(words):
    if words[0] == "web":  # the cockpit has a parser of its own
        assert (ROOT / "tui/web/server.py").is_file()
        assert words[1:] == ["--host", "0.0.0.0"]
        return
    assert build_parser().parse_args(words).function == words[0]


def test_every_variable_of_ours_exists():
    used = {
        name
        for each in COMPOSE["services"].values()
        for name in each.get("environment", {})
        if name.startswith("RSI_")
    }
    env = [
        each
        for pod in PODS.values()
        for box in pod["spec"]["containers"]
        for each in box.get("env", ())
    ]
    used |= {each["name"] for each in env if each["name"].startswith("RSI_")}
    assert {"RSI_DATABASE_URL", "RSI_LINEAGES_URL", TOKEN} <= used <= KNOWN


def test_no_secret_is_written_into_a_file():
    for text in ((DEPLOY / "compose.yaml").read_text(), (DEPLOY / "kubernetes.yaml").read_text()):
        assert "BEGIN" not in text
    assert COMPOSE["services"]["db"]["environment"]["POSTGRES_PASSWORD"].startswith("${")
    assert COMPOSE["services"]["web"]["environment"][TOKEN].startswith("${")
    hidden = ["POSTGRES_PASSWORD", "RSI_DATABASE_URL", TOKEN]
    for pod in PODS.values():
        for each in [each for box in pod["spec"]["containers"] for each in box.get("env", ())]:
            assert ("valueFrom" in each) is (each["name"] in hidden)


def test_what_a_service_uses_is_declared():
    services = COMPOSE["services"]
    for each in services.values():
        assert set(each.get("secrets", ())) <= COMPOSE["secrets"].keys()
        assert set(each.get("depends_on", ())) <= services.keys()
        assert {item.split(":")[0] for item in each.get("volumes", ())} <= COMPOSE["volumes"].keys()
    for each in COMPOSE["secrets"]:
        used = [name for name, service in services.items() if each in service.get("secrets", ())]
        assert used, each
    for pod in PODS.values():
        spec = pod["spec"]
        mounted = {
            item["name"] for box in spec["containers"] for item in box.get("volumeMounts", ())
        }
        claimed = {"data", "lineages"}
        assert mounted <= {item["name"] for item in spec.get("volumes", ())} | claimed


def test_services_find_their_pods():
    labels = [each["metadata"]["labels"] for each in PODS.values()]
    for each in MANIFESTS:
        if each["kind"] == "Service":
            assert each["spec"]["selector"] in labels
        else:
            assert each["spec"]["selector"]["matchLabels"] in labels


def test_the_cockpit_is_not_published_beyond_this_machine():
    assert all(each.startswith("127.0.0.1:") for each in COMPOSE["services"]["web"]["ports"])
    assert not any("ports" in each for name, each in COMPOSE["services"].items() if name != "web")
    assert not any(each["spec"].get("type") for each in MANIFESTS if each["kind"] == "Service")


def test_a_stopped_worker_hands_on_and_only_workers_go_without_profiles():
    worker = COMPOSE["services"]["worker"]
    assert (worker["stop_signal"], worker["restart"]) == ("SIGUSR2", "on-failure")
    loose = [name for name, each in COMPOSE["services"].items() if "security_opt" in each]
    assert loose == ["worker"]
    (box,) = PODS["rsi-worker"]["spec"]["containers"]
    assert "kill -USR2 1" in box["lifecycle"]["preStop"]["exec"]["command"][-1]
    free = [
        name
        for name, pod in PODS.items()
        if "seccompProfile" in pod["spec"].get("securityContext", {})
    ]
    assert free == ["rsi-worker"]


def test_the_images_are_made_of_what_the_package_is_made_of():
    copied = re.findall(r"^COPY (.+) /src", DOCKERFILE, re.MULTILINE)
    names = {name for each in copied for name in each.split()}
    assert all((ROOT / name).exists() for name in names)
    assert {".src", "agent", "evals", "sandboxes", "tasks", "tui", "pyproject.toml"} <= names
    targets = set(re.findall(r" AS (\w+)", DOCKERFILE))
    builds = [each["build"] for each in COMPOSE["services"].values() if "build" in each]
    assert {each["target"] for each in builds} == targets
    assert all((DEPLOY / each["context"]).resolve() == ROOT.resolve() for each in builds)
    assert all((ROOT / each["dockerfile"]).is_file() for each in builds)
