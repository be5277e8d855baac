"""The house itself: its folders, its Makefile, its locks, its compose file, its words."""

import re
import subprocess
from pathlib import Path

import yaml
from jsonschema import validate

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"twin", "layers", "tiles", "scenes", "notebooks", "data", "app", "tests", "docs", "requirements", ".ci"}
TARGETS = {"up", "down", "test", "check", "bench", "faults", "kafka"}


def kept() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_the_top_holds_the_named_folders_and_no_other() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in kept() if path.parent != ROOT} <= FOLDERS


def test_the_makefile_holds_its_targets_and_nothing_else() -> None:
    targets = re.findall(r"^([\w%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(targets) == TARGETS | {"bench-%"}


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        words = lock.read_text()
        assert "://" not in words
        assert words.count("--hash=sha256:") >= len(re.findall(r"^\S+==", words, re.MULTILINE))
    for lock in (path for path in kept() if path.name == "package-lock.json"):
        assert '"resolved"' not in lock.read_text()


def test_every_locked_run_time_package_is_locked_alike_for_tests() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==[^ ]+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    assert pins("server.txt") <= pins("test.txt")


def test_every_direct_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        *project["dependencies"],
        *project["optional-dependencies"]["server"],
        *project["optional-dependencies"]["notebook"],
    ]
    told = (ROOT / "docs" / "dependencies.md").read_text()
    for one in named:
        assert re.split(r"[\[<>=~!]", one)[0] in told, one


def test_the_compose_file_is_well_formed_and_holds_no_secret() -> None:
    schema = {
        "type": "object",
        "required": ["services"],
        "additionalProperties": False,
        "properties": {
            "services": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "image": {"type": "string"},
                        "build": {"type": "string"},
                        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                        "volumes": {"type": "array", "items": {"type": "string"}},
                        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:"}},
                        "command": {"type": ["array", "string"]},
                        "configs": {"type": "array"},
                        "depends_on": {"type": "object"},
                        "healthcheck": {"type": "object"},
                    },
                },
            },
            "configs": {"type": "object"},
            "volumes": {"type": "object"},
        },
    }
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    validate(compose, schema)
    for service in compose["services"].values():
        assert ("image" in service) != ("build" in service)
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert {one["source"] for one in service.get("configs", ())} <= set(compose["configs"])
        for volume in service.get("volumes", ()):
            name = volume.split(":")[0]
            assert name.startswith(("$", ".", "/")) or name in compose["volumes"]
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value.startswith("${")


def test_no_file_names_a_package_registry_or_another_machines_paths() -> None:
    hosts = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian\.org|crates\.io|proxy\.golang|repo1?\.maven", re.IGNORECASE
    )
    for path in kept():
        if path != Path(__file__):
            assert not hosts.search(text_of(path)), path
            assert str(ROOT.parent) + "/" not in text_of(path), path


def test_no_code_that_a_browser_runs_names_an_outside_host() -> None:
    outside = re.compile(
        r"https?://(?!127\.0\.0\.1|localhost|www\.w3\.org|www\.opengis\.net)[a-z0-9.-]+", re.IGNORECASE
    )
    for path in kept():
        if path.suffix in {".ts", ".js", ".html", ".css"} and "app" in path.relative_to(ROOT).parts[:1]:
            assert not outside.findall(text_of(path)), path
