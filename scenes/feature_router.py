"""`/scenes/buildings/features/{id}`: one building as figures, glTF, CityJSON, OBJ or STL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Response

from scenes import forms
from scenes.buildings import Buildings
from scenes.single import Single, single
from twin.http import ActorHere, DatabaseHere

FormName = Literal["json", "glb", "cityjson", "obj", "stl"]


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its media type, its file name's ending, how it is made."""

    media: str
    suffix: str
    make: Callable[[Single], bytes]


FORMS: dict[FormName, Form] = {
    "json": Form("application/json", ".json", forms.as_json),
    "glb": Form("model/gltf-binary", ".glb", forms.as_glb),
    "cityjson": Form("application/city+json", ".city.json", forms.as_cityjson),
    "obj": Form("model/obj", ".obj", forms.as_obj),
    "stl": Form("model/stl", ".stl", forms.as_stl),
}


def add_features(made: APIRouter, buildings: Buildings) -> None:
    """Add the route to the scenes' router, before those that take any scene's name."""

    @made.get("/buildings/features/{name:path}", summary="One building in many forms", response_class=Response)
    def feature(
        name: str, actor: ActorHere, database: DatabaseHere,
        f: Annotated[FormName | None, Query(description="the form; without it the Accept header says")] = None,
        scenario: Annotated[int | None, Query(ge=1)] = None, accept: Annotated[str, Header()] = "",
    ) -> Response:  # fmt: skip
        """Figures by default: volume, areas, heights with their provenance, and whether the solid is closed or why not."""
        with database.session(actor, pool="tiles") as session:
            if scenario is not None:
                buildings.edits.get(session, scenario)
            found = single(session, name, scenario, separation=buildings.separation, heights=buildings.heights)
        form = FORMS[f or _accepted(accept)]
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}
        if form.suffix != ".json":
            file = quote(f"{name.replace('/', '_')}{form.suffix}")
            headers["Content-Disposition"] = f"inline; filename*=UTF-8''{file}"
        return Response(form.make(found), media_type=form.media, headers=headers)


def _accepted(accept: str) -> FormName:
    """The first form that the header names; figures where it names none."""
    asked = [one.partition(";")[0].strip().lower() for one in accept.split(",")]
    return next((name for media in asked for name, form in FORMS.items() if form.media == media), "json")
