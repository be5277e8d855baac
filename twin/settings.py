"""Every setting of the twin: environment variables `TWIN_*`, in small classes by subject.

`docs/settings.md` lists them; a test holds the list against these classes. Nothing is read at import.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from twin.errors import SettingError
from twin.grid import BBox

ROOT = Path(__file__).resolve().parent.parent


def _bbox(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        west, south, east, north = (float(part) for part in value.split(","))
    except ValueError:
        message = "write it as west,south,east,north in degrees"
        raise ValueError(message) from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        message = "west must be less than east and south less than north, in degrees"
        raise ValueError(message)
    return BBox(west, south, east, north)


def _list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _path(value: object) -> object:
    return None if value == "" else value


OptionalPath = Annotated[Path | None, BeforeValidator(_path)]


class _Subject(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")


class DatabaseSettings(_Subject):
    """PostgreSQL: the private cluster, or one that is named."""

    url: str = Field(
        "",
        alias="TWIN_DATABASE_URL",
        description="PostgreSQL to use instead of the private cluster; empty: the private one",
    )
    pool_size: int = Field(8, alias="TWIN_POOL_SIZE", ge=1, le=200, description="connections per pool and process")
    pool_wait_s: float = Field(
        5.0, alias="TWIN_POOL_WAIT", gt=0, description="seconds to wait for a connection before 503"
    )
    statement_timeout_s: float = Field(
        30.0, alias="TWIN_STATEMENT_TIMEOUT", gt=0, description="seconds a query of the API may take"
    )
    tile_timeout_s: float = Field(10.0, alias="TWIN_TILE_TIMEOUT", gt=0, description="seconds a tile's query may take")


class DataSettings(_Subject):
    """Where files come from and where the twin keeps its own."""

    data: OptionalPath = Field(
        None, alias="TWIN_DATA", description="folder of national files; empty: the schematic country"
    )
    state: Path = Field(
        ROOT / "data", alias="TWIN_STATE", description="folder of the private database, caches and made files"
    )
    scope: str = Field(
        "kigali",
        alias="TWIN_SCOPE",
        pattern=r"^(kigali|rwanda|[1-9][0-9]{0,7})$",
        description="where building stock and parcels are synthesised: kigali, rwanda, or the id of a province, district, sector, cell or village",
    )
    region: Annotated[BBox, BeforeValidator(_bbox)] = Field(
        BBox(28.86, -2.84, 30.90, -1.04),
        alias="TWIN_REGION",
        description="bounds that features must lie in: west,south,east,north in degrees",
    )
    seed: int = Field(2022, alias="TWIN_SEED", ge=0, description="seed of everything synthetic")

    @property
    def cache(self) -> Path:
        return self.state / "cache"

    @property
    def demo(self) -> Path:
        return self.state / "demo"

    @property
    def raw(self) -> Path:
        return self.state / "raw"


class ServerSettings(_Subject):
    """The HTTP service."""

    host: str = Field(
        "127.0.0.1", alias="TWIN_HOST", description="address to bind; beyond loopback only once an admin token exists"
    )
    port: int = Field(8000, alias="TWIN_PORT", ge=0, le=65535, description="port to bind; 0: any free one")
    origins: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (),
        alias="TWIN_CORS_ORIGINS",
        description="origins that may also send a token and write; any other may read what anonymous may, comma separated",
    )
    hosts: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (), alias="TWIN_HOSTS", description="host names the service answers to beside its own address, comma separated"
    )
    tile_cache_mb: int = Field(
        256, alias="TWIN_TILE_CACHE_MB", ge=1, description="memory for encoded tiles, per process, MiB"
    )
    tile_disk_mb: int = Field(
        1024, alias="TWIN_TILE_DISK_MB", ge=0, description="disk for encoded tiles, shared by the workers, MiB; 0: none"
    )
    job_workers: int = Field(
        1,
        alias="TWIN_JOB_WORKERS",
        ge=0,
        le=16,
        description="processes beside the service that do long work; 0: none here",
    )


class LiveSettings(_Subject):
    """Telemetry."""

    mqtt_url: str = Field(
        "",
        alias="TWIN_MQTT_URL",
        description="MQTT broker to use instead of the private one: mqtt://user:password@host:port",
    )
    kafka: str = Field(
        "",
        alias="TWIN_KAFKA",
        description="Kafka brokers that events travel on: host:port,host:port or kafkas://user:password@host:port; empty: the PostgreSQL outbox",
    )
    rate: float = Field(
        20.0,
        alias="TWIN_SENSORS_RATE",
        ge=0,
        le=100_000,
        description="simulated messages per second under `twin up`; 0: none",
    )
    spool_mb: int = Field(
        256, alias="TWIN_SPOOL_MB", ge=1, description="disk for messages while the database is away, MiB"
    )
    retention: str = Field(
        "*=800d",
        alias="TWIN_RETENTION",
        pattern=r"^[a-z0-9_*]+=\d+d(,[a-z0-9_*]+=\d+d)*$",
        description="days that observations are kept, by the second word of their topic: transport=90d,*=800d",
    )
    rollup_retention: str = Field(
        "1min=180d,15min=800d,1h=3650d",
        alias="TWIN_RETENTION_ROLLUPS",
        pattern=r"^((1min|15min|1h|1d)=\d+d(,(1min|15min|1h|1d)=\d+d)*)?$",
        description="days that rollups are kept, by their width; what is not named is kept for ever",
    )
    webhooks: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (),
        alias="TWIN_WEBHOOKS",
        description="origins that alerts may be posted to, comma separated; private: before one on a private network",
    )
    webhook_secret: str = Field(
        "", alias="TWIN_WEBHOOK_SECRET", description="key that signs what is posted to webhooks"
    )
    smtp_url: str = Field(
        "", alias="TWIN_SMTP_URL", description="mail server for alerts: smtp://user:password@host:587 or smtps://…"
    )
    mail_from: str = Field("", alias="TWIN_MAIL_FROM", description="sender of alerts' mails")


class PrivacySettings(_Subject):
    """What is never shown."""

    min_cell: int = Field(10, alias="TWIN_MIN_CELL", ge=1, description="fewest persons in a published cell or flow")


class Settings(_Subject):
    """All of them. `Settings.read()` takes them from the environment."""

    database: DatabaseSettings
    data: DataSettings
    server: ServerSettings
    live: LiveSettings
    privacy: PrivacySettings

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from `TWIN_*` variables. Raises SettingError naming the variable that is wrong or unknown."""
        values = dict(os.environ if environment is None else environment)
        known = set(variables())
        for name in values:
            if name.startswith("TWIN_") and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise SettingError(
                    f"there is no setting {name}",
                    remedy=f"did you mean {near[0]}?" if near else "docs/settings.md lists them; unset it",
                )
        try:
            return cls(
                database=DatabaseSettings.model_validate(values),
                data=DataSettings.model_validate(values),
                server=ServerSettings.model_validate(values),
                live=LiveSettings.model_validate(values),
                privacy=PrivacySettings.model_validate(values),
            )
        except ValidationError as error:
            first = error.errors()[0]
            name, said = str(first["loc"][0]), str(first["msg"]).removeprefix("Value error, ")
            remedy = f"it says: {variables()[name][0]}" if first["type"] == "string_pattern_mismatch" else said
            raise SettingError(f"{name}={values.get(name)!r} is wrong", remedy=remedy) from None


def variables() -> dict[str, tuple[str, Any]]:
    """Every variable's name with its description and default. `Any`: defaults are of many types."""
    subjects: tuple[type[_Subject], ...] = (
        DatabaseSettings,
        DataSettings,
        ServerSettings,
        LiveSettings,
        PrivacySettings,
    )
    return {
        str(field.alias): (str(field.description), field.default)
        for subject in subjects
        for field in subject.model_fields.values()
    }
