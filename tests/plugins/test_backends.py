"""Plug-ins are found without being imported, and a broken one is a sentence that names its distribution."""

import subprocess
import sys

import pytest
from tests.plugins.installing import install

from rsi.sandboxes.errors import BackendUnavailableError, PluginError, UnknownBackendError
from rsi.sandboxes.plugins import Group, find_plugin, find_plugins
from rsi.sandboxes.select import available_backends, backend_names, choose_backend

GOOD = """
from rsi.sandboxes.process import ProcessBackend
class Walled(ProcessBackend):
    name = "walled"
class Absent(ProcessBackend):
    def availability(self):
        return type(super().availability())(is_available=False, reason="needs a wall; build one")
"""
BROKEN = {
    "imports": ("import nothing_of_this_name", "Walled", "No module named 'nothing_of_this_name'"),
    "syntax": ("def (", "Walled", "SyntaxError"),
    "exits": ("raise SystemExit('I leave')", "Walled", "SystemExit: I leave"),
    "attribute": ("", "Walled", "has no attribute 'Walled'"),
    "no_callable": ("Walled = 3", "Walled", "nothing that can be called"),
    "needs_words": ("def Walled(word): pass", "Walled", "missing 1 required positional argument"),
    "no_backend": ("def Walled(): return 3", "Walled", "AttributeError"),
    "raises": ("def Walled(): raise OSError('no\\nwall')", "Walled", "OSError: no wall"),
}


def test_a_backend_of_another_distribution_is_chosen_by_its_name(site):
    install(site, "good-walls", "[rsi.backends]\nwalled = good_walls:Walled\nabsent = good_walls:Absent\n", GOOD)  # fmt: skip
    assert backend_names()[-2:] == ("absent", "walled")
    assert "good_walls" not in sys.modules, "a list imports nothing"
    (plugin,) = (each for each in find_plugins(Group.BACKENDS) if each.name == "walled")
    assert (plugin.distribution, plugin.version) == ("good-walls", "1.0")
    choice = choose_backend("walled")
    assert (choice.backend.name, choice.reason[:7]) == ("walled", "walled:")
    with pytest.raises(BackendUnavailableError, match="needs a wall; build one"):
        choose_backend("absent")
    assert choose_backend("process").backend.name == "process"


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_one_sentence_and_stops_nobody_else(site, case):
    code, attribute, said = BROKEN[case]
    install(site, "bad-walls", f"[rsi.backends]\nwalled = bad_walls:{attribute}\n", code)
    with pytest.raises(PluginError) as caught:
        choose_backend("walled")
    sentence = str(caught.value)
    assert "'walled' (rsi.backends) of bad-walls 1.0" in sentence
    assert said in sentence
    assert "\n" not in sentence
    assert "walled" not in {each.name for each in available_backends()}
    assert choose_backend("process").backend.name == "process"


def test_a_plugin_never_takes_the_place_of_a_backend_of_rsis_own(site):
    install(site, "thief", "[rsi.backends]\nbubblewrap = thief:Walled\n", GOOD)
    assert backend_names().count("bubblewrap") == 1
    available_backends()
    assert "thief" not in sys.modules


def test_a_word_that_two_distributions_bring_is_refused_by_both_names(site):
    for name in ("one-wall", "two-walls"):
        install(site, name, f"[rsi.backends]\nwalled = {name.replace('-', '_')}:Walled\n", GOOD)
    with pytest.raises(PluginError, match=r"one-wall 1\.0 and two-walls 1\.0; uninstall one"):
        choose_backend("walled")
    assert backend_names().count("walled") == 1


def test_an_unknown_name_lists_those_of_plugins_too(site):
    install(site, "good-walls", "[rsi.backends]\nwalled = good_walls:Walled\n", GOOD)
    with pytest.raises(UnknownBackendError, match=r"known: auto, .*process, walled"):
        choose_backend("podman")


@pytest.mark.parametrize(
    "entries",
    [
        "[rsi.backends]\nno equals sign\n= nothing\nwalled =\n\n# walled = comment:X\n",
        "[console_scripts]\nrsi.backends = x:y\n",
        "\x00[rsi.backends]",
        "[rsi.backends",
    ],
)
def test_damaged_entries_of_a_stranger_are_passed_over(site, entries):
    install(site, "odd", entries)
    assert find_plugins(Group.BACKENDS) == ()
    (site / "odd-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[rsi.backends]\n")
    (site / "odd-1.0.dist-info" / "METADATA").unlink()
    assert find_plugins(Group.BACKENDS) == ()


def test_a_distribution_without_metadata_still_has_its_plugins(site):
    install(site, "good-walls", "[rsi.backends]\nwalled = good_walls:Walled [extra]\n", GOOD)
    (site / "good_walls-1.0.dist-info" / "METADATA").unlink()
    found = find_plugin(Group.BACKENDS, "walled")
    assert found is not None
    assert found.distribution == "?"
    assert choose_backend("walled").backend.name == "walled"


def test_without_a_look_for_plugins_nothing_of_it_is_imported():
    program = "import sys, rsi.sandboxes.select; print('importlib.metadata' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"
