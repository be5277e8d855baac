"""One twin, near or far, as an analyst works with it: layers, rasters, observations, scenarios, the network, the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from twin.client import places
from twin.client.connection import Connection
from twin.client.layer import Layer
from twin.client.places import Place

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd


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

    def layers(self) -> pd.DataFrame:
        """The catalogue as this actor may know it, one layer a row: sector, title, geometry, count, origins, licence, loaded_at …"""
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


def open_twin(address: str, token: str | None = None, *, timeout_s: float = 120.0) -> Twin:
    """See `twin.connect`."""
    connection = Connection(address, token, timeout_s=timeout_s)
    try:
        return Twin(connection, dict(connection.get("/whoami")))
    except BaseException:
        connection.close()
        raise
