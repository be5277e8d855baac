"""One twin, near or far, as an analyst works with it: layers, rasters, observations, scenarios, the network, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from twin.client import places
from twin.client.connection import Connection
from twin.client.layer import Layer
from twin.client.places import Place
from twin.client.scenario import Scenario, created, listing, named
from twin.client.viewing import View, camera_over, show

if TYPE_CHECKING:
    from types import TracebackType

    import geopandas as gpd
    import networkx as nx
    import pandas as pd
    import xarray as xr
    from shapely.geometry.base import BaseGeometry


class Twin:
    """A connection to one twin. Made by `twin.connect`; a context manager that closes its sockets.

    Everything that comes back is EPSG:4326 (longitude, latitude) and aware UTC unless it says otherwise.
    """

    def __init__(self, connection: Connection, actor: dict[str, Any]) -> None:
        self.connection = connection
        self.actor = actor
        """Who the service takes us for: name, role, tenant, may_read. `Any`: JSON."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Twin({self.connection.address!r}, as {self.actor.get('name')!r}, {self.actor.get('role')!r})"

    def close(self) -> None:
        """Give the sockets back."""
        self.connection.close()

    def versions(self) -> dict[str, str]:
        """The version of the client and that of the service."""
        from importlib.metadata import version

        served = self.connection.get("/openapi.json")["info"]["version"]
        return {"client": version("stanforis-twin"), "service": str(served)}

    def signed(self, path: str, *, ttl: timedelta = timedelta(hours=1)) -> str:
        """An address that reads `path` and all below it ("/tiles/land.parcels/") as a viewer of this connection's token, until `ttl` is over
        or the token is: for a page whose readers have none. At most 31 days. Raises BadInput.
        """
        return self.connection.signed(path, ttl)

    def layers(self) -> pd.DataFrame:
        """The catalogue as this actor may know it, one layer a row by name: title, geometry, count, origins, licence and more."""
        import pandas as pd

        return pd.DataFrame(self.connection.get("/layers")["layers"]).set_index("name")

    def layer(self, name: str, *, scenario: int | None = None) -> Layer:
        """A layer to ask, such as `infrastructure.buildings`; the base, or as a branch sees it. Raises NotFound for none of that name."""
        found = Layer(self.connection, name, scenario=scenario)
        _ = found.about
        return found

    def place(self, name: str, *, level: str | None = None) -> Place:
        """An administrative unit by name or code. Raises NotFound, AmbiguousPlace."""
        return places.find(self.connection, name, level=level)

    def search(self, words: str, *, limit: int = 10) -> pd.DataFrame:
        """Places, facilities, ids and coordinates: layer, id, name, lon, lat (degrees), within; the surest first."""
        import pandas as pd

        hits = self.connection.get("/search", {"q": words, "limit": limit})["hits"]
        rows = [
            {
                "layer": hit["layer"], "id": hit["id"], "fid": hit["fid"], "name": hit["name"], "lon": hit["place"][0],
                "lat": hit["place"][1], "within": ", ".join(hit["within"]),
            }
            for hit in hits
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["layer", "id", "fid", "name", "lon", "lat", "within"])

    def raster(
        self,
        layer: str,
        area: str | BaseGeometry | Sequence[float],
        *,
        resolution_m: float | None = None,
        level: str | None = None,
    ) -> xr.DataArray:
        """A raster layer (`land.terrain`: metres above EGM96; `land.landcover`: classes) over a place, a polygon or a box.

        Dimensions lat (falling), lon: the middles of cells in EPSG:4326, `resolution_m` metres apart, the raster's own where None.
        Out of a place or polygon: NaN, or class 0. `.attrs` tells units, origins, licence and the names of classes.
        Raises NotFound where nothing is loaded or reached, BadInput for more cells than one answer holds.
        """
        from twin.client.rasters import raster

        return raster(self.connection, layer, area, resolution_m=resolution_m, level=level)

    def latest(self, *, district: str | None = None, phenomenon: str | None = None) -> gpd.GeoDataFrame:
        """The newest value of each sensor: id, phenomenon, value, unit, time (UTC), quality, origin, point. Origin `simulated` is no
        measurement.
        """
        from twin.client.observations import latest

        return latest(self.connection, district=district, phenomenon=phenomenon)

    def observations(
        self,
        sensor: str,
        *,
        phenomenon: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        raw: bool = False,
    ) -> pd.DataFrame:
        """Values of one sensor by time (UTC), oldest first; the last hour unless told. A time without a zone is UTC.

        Up to two hours each observation (value, quality), beyond that means of buckets (value, count, minimum, maximum, last);
        `raw` gives each observation of any span, asked for by two hours. `.attrs["twin"]` tells unit and width_s, the buckets' seconds.
        Raises NotFound for no such sensor.
        """
        from twin.client.observations import history

        return history(self.connection, sensor, phenomenon=phenomenon, since=since, until=until, raw=raw)

    def network(
        self, area: str | BaseGeometry | Sequence[float] | None = None, *, scenario: int | None = None
    ) -> nx.MultiDiGraph[int]:
        """The roads as OSMnx knows graphs, EPSG:4326: nodes x, y; edges length (metres), highway, oneway, geometry.

        `area`: only roads that touch it, whole. Raises NotFound where there are none.
        """
        from twin.client.network import graph_of

        roads = self.layer("infrastructure.roads", scenario=scenario)
        found = (roads if area is None else roads.within(area, touching=True)).to_geodataframe()
        return graph_of(found)

    def scenarios(self) -> pd.DataFrame:
        """The branches that this actor may see, newest first: id, name, state, parent, version and more."""
        import pandas as pd

        return pd.DataFrame(listing(self.connection))

    def scenario(self, which: str | int) -> Scenario:
        """A branch by name or number. Raises NotFound, or BadInput for several of one name."""
        return named(self.connection, which)

    def new_scenario(self, name: str, *, parent: Scenario | int | None = None) -> Scenario:
        """A new draft, from the base or from another branch. Raises NotPermitted without the right to plan."""
        return created(self.connection, name, parent=parent.id if isinstance(parent, Scenario) else parent)

    def operations(self) -> pd.DataFrame:
        """The planning operations by name: title, and the JSON schema of their parameters."""
        import pandas as pd

        return pd.DataFrame(self.connection.get("/operations")["operations"]).set_index("name")

    def indicators(self) -> pd.DataFrame:
        """The catalogue of indicators by name: what each means, its unit, how it is computed, its parameters."""
        from twin.client.indicators import catalogue

        return catalogue(self.connection)

    def figures(
        self,
        *names: str,
        within: str | BaseGeometry | Sequence[float] = "Rwanda",
        scenario: Scenario | int | None = None,
        level: str | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Indicators of a place, a polygon (EPSG:4326) or the country, by name: value, low, high (the interval), unit, suppressed, origin.

        A figure of too few persons is suppressed, its value null. Raises NotFound for an indicator or a place that is not there.
        """
        from twin.client.indicators import figures

        number = scenario.id if isinstance(scenario, Scenario) else scenario
        return figures(self.connection, names, within, scenario=number, level=level, parameters=parameters or {})

    def show(
        self,
        *frames: gpd.GeoDataFrame,
        layers: Sequence[str] = (),
        at: str | Sequence[float] | None = None,
        scenario: Scenario | int | None = None,
    ) -> Any:
        """The twin's own 3D map in a notebook, with frames of features drawn over it; `at` is a place or a box to fly to.

        `Any`: the viewer's widget (entry point `twin.viewers`). Raises NotFound where no viewer is installed.
        """
        bounds = self.place(at).bounds if isinstance(at, str) else at
        camera = None if bounds is None else camera_over(bounds)
        number = scenario.id if isinstance(scenario, Scenario) else scenario
        return show(View(self.connection.address, tuple(layers), frames, camera, number))


def open_twin(address: str, token: str | None = None, *, timeout_s: float = 120.0) -> Twin:
    """See `twin.connect`."""
    connection = Connection(address, token, timeout_s=timeout_s)
    try:
        return Twin(connection, dict(connection.get("/whoami")))
    except BaseException:
        connection.close()
        raise
