"""`twin` with wrong words: it says what, which one and what to do, ends with 1, and shows no trace."""

import subprocess
import sys
from pathlib import Path

import pytest


def twin(state: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "TWIN_STATE": str(state), **settings}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (["nonsense"], {}, "No such command"),
        (["load", "--nope"], {}, "No such option"),
        (["token", "create"], {}, "Missing option '--actor'"),
        (["token", "create", "--actor", "x", "--ttl", "99999999999999d"], {"TWIN_DATABASE_URL": "host=/nowhere"}, "→"),
        (["demo", "sensors", "--rate", "nan"], {}, "give --rate"),
        (["demo", "sensors", "--seconds", "-1"], {}, "give --rate"),
        (["down"], {"TWIN_SCOPE": "mars"}, "TWIN_SCOPE='mars' is wrong\n→ it says: where building stock"),
        (["down"], {"TWIN_SCOPEE": "x"}, "did you mean TWIN_SCOPE?"),
        (["bench", "nope"], {}, "choose"),
    ],
)
def test_wrong_words_end_with_what_to_do(tmp_path: Path, words: list[str], settings: dict[str, str], said: str) -> None:
    done = twin(tmp_path, *words, **settings)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "url", ["mysql://x:topsecret@y/z", "postgresql://x:top secret@y:1:2/z", "postgresql://x:topsecret@127.0.0.1:1/z"]
)
def test_an_address_that_does_not_serve_is_refused_and_its_password_is_not_repeated(tmp_path: Path, url: str) -> None:
    for command in ("migrate", "login"):
        done = twin(tmp_path, command, TWIN_DATABASE_URL=url)
        assert done.returncode == 1
        assert "secret" not in done.stdout + done.stderr
        assert "TWIN_DATABASE_URL" in done.stderr
        assert "WARNING" not in done.stderr


def test_a_state_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = twin(tmp_path / "file", "up", TWIN_PORT="0")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "→" in done.stderr
