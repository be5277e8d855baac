"""What planning takes of the page's address and of the catalogues of words."""

from __future__ import annotations

import pytest

from app.i18n import LANGUAGES, words
from app.pages.address import read_address
from app.pages.plan import plan_texts
from layers.planning.operations import OPERATIONS


def test_every_parameter_of_every_operation_has_a_word() -> None:
    texts = plan_texts(words("en"))
    for operation in OPERATIONS:
        named = operation.parameters.model_json_schema()["properties"]
        missing = [name for name in named if name != "id" and f"field_{name}" not in texts]
        assert not missing, (operation.name, missing)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_workbench_is_in_the_catalogue(language: str) -> None:
    english = plan_texts(words("en"))
    missing = {text for text in english.values() if text not in words(language).entries}
    assert not missing


def test_the_address_names_a_branch_and_what_is_no_number_is_the_base() -> None:
    assert read_address({"branch": "12", "mode": "plan"}, ()).branch == 12
    assert [read_address({"branch": said}, ()).branch for said in ("", "-1", "0", "x", "1" * 30, "../3")] == [0] * 6
    assert read_address({"mode": "plan"}, ()).mode == "plan"
