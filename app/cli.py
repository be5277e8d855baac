"""The command line: `twin …`. Each command parses, calls and prints; errors say the remedy and end with status 1."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from twin.errors import BadInput, SettingError, TwinError
from twin.settings import Settings

console = Console(highlight=False, soft_wrap=True)
application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The national digital twin of Rwanda.",
)
tokens = typer.Typer(no_args_is_help=True, help="Tokens for programs.")
demo = typer.Typer(no_args_is_help=True, help="Things made up, and marked so.")
live = typer.Typer(no_args_is_help=True, help="Telemetry.")
worker = typer.Typer(help="Processes of `twin serve`, which starts them.")
application.add_typer(worker, name="worker", hidden=True)
application.add_typer(tokens, name="token")
application.add_typer(demo, name="demo")
application.add_typer(live, name="live")
bake = typer.Typer(no_args_is_help=True, help="Tiles and scenes as files, for offline use and fast serving.")
application.add_typer(bake, name="bake")

_TTL = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
log = logging.getLogger("twin.cli")


@application.callback()
def options(
    trace: Annotated[bool, typer.Option("--trace", help="Show the trace of an unforeseen error.")] = False,
) -> None:
    """The national digital twin of Rwanda."""
    if trace:
        log.setLevel(logging.DEBUG)


def say(text: str) -> None:
    console.print(text, markup=False)


def duration(text: str) -> timedelta:
    """`30d`, `12h`, `15m`, `60s`."""
    found = _TTL.fullmatch(text.strip())
    if not found:
        raise BadInput(f"{text!r} is not a duration", remedy="write it as 30d, 12h, 15m or 60s")
    try:
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    except (OverflowError, ValueError):
        raise BadInput(f"{text.strip()[:20]} is too long a time", remedy="write it as 30d, 12h, 15m or 60s") from None


@application.command("up")
def up_command() -> None:
    """Database, migrations, load, sensors and service, in the foreground."""
    from app import loading, up

    settings = Settings.read()
    up.up(settings, say, lambda opened, registry: loading.ensure(settings, opened, registry, console))


@application.command("serve")
def serve_command(
    workers: Annotated[int, typer.Option(help="Processes that answer; with 1 a single one does all.")] = 1,
) -> None:
    """Answer over what is loaded already."""
    if workers == 1:
        from app import up

        up.serve(Settings.read(), say)
    else:
        from app.workers import supervise

        supervise(Settings.read(), workers, say)


@application.command("work")
def work_command() -> None:
    """Do jobs from the queue until told to end; `twin up` and `twin serve` run one."""
    from app.jobs import work

    work(Settings.read())


@worker.command("answer")
def worker_answer(port: int, page: Path, told: int) -> None:
    """One worker of a service."""
    from app.workers import Post, work

    work(Settings.read(), Post(port, page, told))


@worker.command("page")
def worker_page(door: int, told: int) -> None:
    """The process that holds the page."""
    from app.workers import hold_page

    hold_page(Settings.read(), door, told)


@application.command("down")
def down_command() -> None:
    """Stop the service and the private database of this checkout."""
    from app.running import Place
    from layers.live.broker import Broker
    from twin import cluster

    settings = Settings.read()
    stopped = Place(settings.data.state).stop()
    if stopped:
        say(f"Stopped the service at {stopped.address}." if stopped.address else "Stopped the service while it loaded.")
    Broker(settings.data.state / "broker").stop()
    if settings.database.url:
        return
    private, _ = cluster.locate(settings.data.state)
    if private.stop():
        say("Stopped the private database.")
    elif not stopped:
        say("Nothing was running.")


@application.command("doctor")
def doctor_command() -> None:
    """Check this machine, the settings, the database and what is loaded; say what to do about each fault."""
    from app import doctor

    raise typer.Exit(doctor.report(console))


@application.command("migrate")
def migrate_command() -> None:
    """Bring the database to what this version needs."""
    from app import compose

    opened = compose.open_database(Settings.read(), compose.registry())
    say(f"Applied {', '.join(opened.applied)}." if opened.applied else "Nothing to apply.")
    for remark in opened.remarks:
        say(f"Note: {remark}")
    opened.database.close()


@application.command("load")
def load_command(
    file: Annotated[Path | None, typer.Argument(help="One file; without it everything that the sectors name.")] = None,
    layer: Annotated[str | None, typer.Option(help="The layer that the file is for.")] = None,
    crs: Annotated[str | None, typer.Option(help="The CRS of a file that stores none, such as EPSG:32735.")] = None,
    scope: Annotated[
        str | None,
        typer.Option(help="Where building stock is synthesised: kigali, rwanda, or an id such as 11 (a district)."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Which table of a GeoPackage, kind of a PBF or a GTFS feed, file of a zip.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The source's name, the file's if none is said: a later file of it replaces its rows."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="The column that numbers the features.")] = None,
    origin: Annotated[str, typer.Option(help="surveyed, open-data, modelled, derived, synthetic, …")] = "open-data",
    licence: Annotated[str, typer.Option(help="The licence of the file; the layer's if none is said.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Load even what has not changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the closing table as JSON.")] = False,
) -> None:
    """Load files into layers: checked, repaired where that is safe, quarantined where it is not."""
    from app import loading

    settings = Settings.read({**os.environ, "TWIN_SCOPE": scope} if scope is not None else None)
    one = None
    if file is not None:
        one = loading.Given(file, layer, crs=crs, part=part, name=name, key=key, origin=origin, licence=licence)
    raise typer.Exit(loading.run(settings, console, given=one, again=again, as_json=as_json))


@application.command("fetch")
def fetch_command(
    only: Annotated[
        list[str] | None, typer.Argument(help="Names of sources; without them all that have an address.")
    ] = None,
) -> None:
    """Download the open sources that the sectors name into data/raw. The only command that asks the network."""
    from app import loading

    loading.fetch_sources(Settings.read(), console, tuple(only or ()))


@tokens.command("create")
def token_create(
    actor: Annotated[str, typer.Option(help="Who will use it.")],
    role: Annotated[str, typer.Option(help="viewer, planner, approver, operator or admin.")] = "viewer",
    ttl: Annotated[str, typer.Option(help="How long it lives: 30d, 12h.")] = "30d",
) -> None:
    """Print a token once; only its hash is kept."""
    from typing import cast

    from app import compose
    from twin.access import SYSTEM, Role, issue

    opened = compose.open_database(Settings.read(), compose.registry())
    made = issue(opened.database, SYSTEM, name=actor, role=cast("Role", role), ttl=duration(ttl))
    opened.database.close()
    sys.stdout.write(made.secret + "\n")


@tokens.command("sign")
def token_sign(
    path: Annotated[str, typer.Argument(help="What may be read: /tiles/land.parcels/, or / for all.")],
    ttl: Annotated[str, typer.Option(help="How long: 1h, 7d; at most 31d.")] = "1h",
) -> None:
    """Print a path with a signature (`?sig=`), made with the token in the variable TWIN_TOKEN; asks nobody."""
    from twin.signing import carried, sign

    secret = os.environ.get("TWIN_TOKEN", "").strip()
    if not secret:
        raise SettingError("no token to sign with", remedy="put one into TWIN_TOKEN: `twin token create` prints it")
    sys.stdout.write(carried(path, sign(secret, path, ttl=duration(ttl))) + "\n")


@application.command("login")
def login_command(
    actor: Annotated[str, typer.Option(help="Who signs in.")] = "owner",
    role: Annotated[str, typer.Option(help="viewer, planner, approver, operator or admin.")] = "admin",
) -> None:
    """Print a link that signs a browser in, once, within half an hour."""
    from app import compose, up
    from app.auth import login_link
    from app.running import Place

    settings = Settings.read()
    other = Place(settings.data.state).other()
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    base = other.address if other and other.address else f"http://{settings.server.host}:{settings.server.port}"
    sys.stdout.write(login_link(opened.database, base, name=actor, role=role, ttl=up.LOGIN_TTL) + "\n")
    opened.database.close()


@demo.command("sensors")
def demo_sensors(
    rate: Annotated[float, typer.Option(help="Messages per second.")] = 20.0,
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    faults: Annotated[str, typer.Option(help="What goes wrong, as shares: spikes=0.01,malformed=0.1.")] = "",
) -> None:
    """Publish simulated sensors to the broker."""
    from app import telemetry

    if not math.isfinite(rate) or (seconds is not None and not 0 < seconds < math.inf):
        raise BadInput("the rate or the seconds are no number over 0", remedy="give --rate 20 and --seconds 60")
    telemetry.simulate(Settings.read(), rate=rate, seconds=seconds, faults=faults)


@live.command("consume")
def live_consume(
    shared: Annotated[bool, typer.Option("--shared", help="Share the stream with others that say so.")] = False,
    name: Annotated[
        str | None, typer.Option(help="Its lasting name at the broker; the first free one if none is said.")
    ] = None,
) -> None:
    """Take messages from the broker into the database until told to end."""
    from app import telemetry

    telemetry.consume(Settings.read(), shared=shared, name=name)


@live.command("replay")
def live_replay(
    reason: Annotated[str, typer.Option(help="Only those whose reason holds these words.")] = "",
    since: Annotated[str | None, typer.Option(help="Only those that came within: 30d, 12h.")] = None,
) -> None:
    """Take refused messages through again: what passes now leaves the quarantine."""
    from app import telemetry

    within = None if since is None else duration(since)
    telemetry.replay_quarantine(Settings.read(), reason=reason, since=within, say=say)


@live.command("retain")
def live_retain() -> None:
    """Drop observations and rollups older than the settings keep; the consumer does so each hour."""
    from app import telemetry

    telemetry.drop_old(Settings.read(), say=say)


@live.command("rules")
def live_rules(file: Annotated[Path, typer.Argument(help="A YAML file of alert rules.")]) -> None:
    """Write alert rules; a rule of the same name gets a new version."""
    from app import telemetry

    telemetry.bring_rules(Settings.read(), file, say=say)


@live.command("relay")
def live_relay() -> None:
    """Carry events from the outbox to the Kafka of TWIN_KAFKA until told to end."""
    from app import telemetry

    telemetry.relay(Settings.read())


_TO = typer.Option("--to", help="The file or folder to write.")
_WORKERS = typer.Option(help="Processes of this machine; one for each core if none is said.")
_SCHEDULER = typer.Option(help="A Dask cluster to work instead: tcp://host:8786.")


@bake.command("tiles")
def bake_tiles(
    to: Annotated[Path, _TO],
    layers: Annotated[
        str | None, typer.Option(help="Layers by name, with commas; all that everybody may see if none.")
    ] = None,
    zooms: Annotated[str | None, typer.Option(help="First and last zoom; 0-15 if none is said.")] = None,
    area: Annotated[
        str | None,
        typer.Option(help="The id of a province, district, sector, cell or village, or west,south,east,north."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only what changed since: an archive, whose words it takes, or a change's number."),
    ] = None,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _SCHEDULER] = None,
) -> None:
    """Write vector tiles into one PMTiles file; interrupted, the same words go on where it was."""
    from app import baking_tiles
    from app.baking import Crew

    asked = baking_tiles.Asked(to, layers, zooms, area, since)
    baking_tiles.command(Settings.read(), asked, crew=Crew(workers, scheduler), console=console)


@bake.command("scene")
def bake_scene(
    name: Annotated[str, typer.Argument(help="Which; GET /scenes lists them.")],
    to: Annotated[Path, _TO],
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _SCHEDULER] = None,
) -> None:
    """Write a scene's whole tileset into a folder, or a file that ends in .3tz; interrupted, the same words go on where it was."""
    from app import baking_scene
    from app.baking import Crew

    baking_scene.command(Settings.read(), name, to, crew=Crew(workers, scheduler), console=console)


@bake.command("apply")
def bake_apply(
    delta: Annotated[Path, typer.Argument(help="A delta that `twin bake tiles --since` wrote.")],
    onto: Annotated[Path, typer.Option(help="The archive that it was made for.")],
    to: Annotated[Path | None, typer.Option("--to", help="Where to write; the archive itself if none is said.")] = None,
) -> None:
    """Lay a delta onto its archive. Asks no database."""
    from tiles import archive_changes

    result = archive_changes.apply(delta, onto, to=to)
    say(f"{to or onto} is at change {result.seq} now.")


@application.command("run")
def run_command(
    record: Annotated[Path, typer.Argument(help="A record as JSON: GET /records/{hash}.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write the record of this run to a file.")] = None,
) -> None:
    """Compute recorded figures again; ends with 3 where the bytes differ, and says what moved since."""
    from app import rerun

    raise typer.Exit(rerun.run(Settings.read(), record, say, write=to))


@application.command("bench")
def bench_command(
    name: Annotated[str, typer.Argument(help="Which; `all` for every one.")],
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the rows to this file.")] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write the table into its section of this Markdown page.")
    ] = None,
) -> None:
    """Measure, beside a reference in the same run; print a table."""
    from app import bench

    rows = bench.run(name, console, page=page)
    if as_json is not None:
        as_json.write_text(json.dumps(rows, indent=1) + "\n")


def _guarded(work: Callable[[], object]) -> int:
    """Run a command: 0 where it went well, 1 with what to do where not, 130 where it was interrupted. No trace reaches the user."""
    try:
        work()
    except SystemExit as end:
        return 1 if end.code == 2 else int(end.code or 0)  # the words were wrong: 1, as every other fault
    except KeyboardInterrupt:
        return 130
    except TwinError as error:
        return _failed(error.message, error.remedy)
    except psycopg.OperationalError as error:
        return _failed(f"the database went away: {str(error).strip()}", "run it again; `twin doctor` says more")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(_words_of(error), "free space, mend the file's rights or name another, then run it again")
    except Exception as error:  # the edge: what nobody foresaw is named, and its trace is one setting away
        if log.isEnabledFor(logging.DEBUG):
            raise
        return _failed(
            f"something unforeseen happened: {type(error).__name__}: {error}",
            "`twin doctor` checks what it can; run it again with --trace before the command and report what it prints",
        )
    return 0


def _failed(message: str, remedy: str) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"{message}\n→ {remedy}", markup=False)
    return 1


def _words_of(error: OSError) -> str:
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def main() -> None:
    """What the script `twin` runs."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Every failed attempt of the pool; the error at the end says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    sys.exit(_guarded(application))


if __name__ == "__main__":
    main()
