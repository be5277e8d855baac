"""One layer with one field of each kind that most layers need."""

from layers.spec import Field, Layer, Style, Titles

LANDMARKS = Layer(
    name="minimal.landmarks",
    geometry="Point",
    titles=Titles(rw="Ahantu nyaburanga", en="Landmarks", fr="Lieux remarquables"),
    purpose="Shows how a layer is declared; anybody's points of interest.",
    licence="CC0 1.0",
    id_rule="the file's own column `code`",
    fields=(
        Field("name", title="Name", required=True),
        Field("kind", title="Kind", choices=("monument", "viewpoint", "other")),
        Field("height_m", "real", title="Height above ground", unit="m", minimum=0, maximum=1000),
    ),
    min_zoom=8,
    style=Style(theme="neutral", label="name"),
)

LAYERS = (LANDMARKS,)
