from pathlib import Path

import pytest

from twin.errors import SettingError
from twin.settings import ROOT, Settings, variables


def test_defaults_bind_to_loopback_and_name_no_service() -> None:
    settings = Settings.read({})
    assert settings.server.host == "127.0.0.1"
    assert (settings.database.url, settings.live.mqtt_url) == ("", "")
    assert settings.data.data is None


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingError, match="TWIN_DATAA") as caught:
        Settings.read({"TWIN_DATAA": "x"})
    assert "TWIN_DATA" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWIN_PORT", "eighty"),
        ("TWIN_PORT", "70000"),
        ("TWIN_REGION", "1,2,3"),
        ("TWIN_REGION", "30,-1,29,-2"),
        ("TWIN_SCOPE", "mars"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.read({name: value})


def test_another_country_is_a_setting() -> None:
    assert Settings.read({"TWIN_REGION": "29.0,-4.5,30.9,-2.3"}).data.region.south == -4.5


def test_every_setting_stands_in_the_table_of_the_docs_and_no_other() -> None:
    rows = [
        line.split("|")
        for line in (ROOT / "docs" / "settings.md").read_text().splitlines()
        if line.startswith("| `TWIN_")
    ]
    told = {row[1].strip().strip("`"): row[3].strip() for row in rows}
    assert told == {name: description for name, (description, _) in variables().items()}


def test_each_root_package_is_the_one_of_this_checkout() -> None:
    import app
    import layers
    import scenes
    import tiles
    import twin

    for package in (twin, layers, tiles, scenes, app):
        assert Path(str(package.__file__)).parent.parent == ROOT


def test_no_module_bears_the_name_of_a_root_but_a_sectors_own_list_of_layers() -> None:
    roots = {"twin", "layers", "tiles", "scenes", "app", "notebooks", "data"}
    for root in ("twin", "layers", "tiles", "scenes", "app"):
        strays = [
            path for path in (ROOT / root).rglob("*.py") if path.stem in roots and "node_modules" not in path.parts
        ]
        assert all(path.match("layers/sectors/*/layers.py") for path in strays)
