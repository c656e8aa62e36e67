"""Settings are kept, and every mistake in the file gets a sentence."""

import pytest

from rsi.tui.errors import SettingsError
from rsi.tui.model.settings import Settings, load_settings, save_settings, secrets_set


def test_settings_come_back_as_they_were_saved(tmp_path):
    path = tmp_path / "home" / "cockpit.toml"
    settings = Settings(
        theme="rsi-light",
        bell=False,
        play_speed=4.0,
        keys={"gate.approve": "ctrl+a", "queue.new": "f3"},
    )
    save_settings(path, settings)
    assert load_settings(path) == settings


def test_no_file_means_defaults(tmp_path):
    assert load_settings(tmp_path / "none.toml") == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme = ", "is not valid TOML"),
        ("thme = 'x'", "thme is not a known key, did you mean 'theme'?"),
        ("theme = 'blue'", "theme is the text 'blue', expected one of rsi-dark"),
        ("bell = 'yes'", "expected true or false"),
        ("play_speed = 0", "expected a number"),
        ("play_speed = true", "expected a number"),
        ("keys = 3", "expected a table"),
        (
            "[keys]\n'gate.aprove' = 'a'",
            "keys.gate.aprove is no command, expected the name of a command",
        ),
        ("[keys]\n'gate.approve' = ''", "expected key names"),
        ("[keys]\n'gate.approve' = 'r'", "key 'r' is both"),
    ],
)
def test_each_mistake_names_file_and_key(tmp_path, text, said):
    path = tmp_path / "cockpit.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"cockpit\.toml") as caught:
        load_settings(path)
    assert said in str(caught.value)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        save_settings(tmp_path / "file" / "cockpit.toml", Settings())


def test_secrets_are_only_set_or_not_set():
    found = secrets_set({"ANTHROPIC_API_KEY": "sk-very-secret"})
    assert ("ANTHROPIC_API_KEY", True) in found
    assert "sk-very-secret" not in repr(found)
