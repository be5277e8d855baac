-- Telemetry's tables: datastreams, observations, latest values, rollups, what was refused. Run as twin_owner, any number of times.
create schema if not exists iot;
grant usage on schema iot to twin_app, twin_tiles;

-- One measured phenomenon of one sensor (a feature of iot.sensors, by its id). Units are SenML's (RFC 8428, 8798).
create table if not exists iot.datastream (
    id int generated always as identity primary key,
    tenant int not null references twin.tenant,
    sensor text not null,
    topic text not null unique,
    phenomenon text not null,
    unit text not null,
    schema text not null,
    minimum float8,
    maximum float8,
    interval_s float8 check (interval_s > 0),
    mobile boolean not null default false,
    classification text not null default 'public',
    unique (tenant, sensor, phenomenon),
    check (minimum <= maximum)
);

-- Month partitions are made by iot.make_partitions, ahead by the clock and behind by need (late data). Wide columns first.
create table if not exists iot.observation (
    phenomenon_time timestamptz not null,
    sequence bigint not null,
    result float8,
    received_at timestamptz not null,
    lon float8,
    lat float8,
    datastream int not null,
    tenant int not null,
    result_text text,
    quality text not null,
    classification text not null,
    primary key (datastream, phenomenon_time, sequence),
    check (result is not null or result_text is not null),
    check (quality in ('good', 'suspect', 'bad'))
) partition by range (phenomenon_time);

-- The newest observation of each datastream by phenomenon time; lon, lat only where the sensor moves.
create table if not exists iot.latest (
    datastream int primary key references iot.datastream on delete cascade,
    tenant int not null,
    classification text not null,
    phenomenon_time timestamptz not null,
    sequence bigint not null,
    result float8,
    result_text text,
    quality text not null,
    received_at timestamptz not null,
    lon float8,
    lat float8
) with (fillfactor = 50);

-- The number of the newest committed batch. Its row lock, held to commit, makes the numbers gapless and in commit order.
create table if not exists iot.stream (
    tenant int primary key references twin.tenant,
    seq bigint not null default 0
) with (fillfactor = 10);

-- Every new observation once, in commit order, one row a batch: what the hub streams and the rollups fold. Kept for minutes.
create table if not exists iot.outbox (
    tenant int not null,
    seq bigint not null,
    at timestamptz not null default clock_timestamp(),
    datastream int[] not null,
    phenomenon_time timestamptz[] not null,
    sequence bigint[] not null,
    result float8[] not null,
    result_text text[] not null,
    quality text[] not null,
    lon float8[] not null,
    lat float8[] not null,
    primary key (tenant, seq)
);

-- How far the rollups have read the outbox.
create table if not exists iot.rollup_reader (
    tenant int primary key references twin.tenant,
    seq bigint not null default 0
) with (fillfactor = 10);

-- Count, sum, extremes and last of what is not bad, per bucket of width_s seconds; days are Kigali's. Mean is total / count.
create table if not exists iot.rollup (
    bucket timestamptz not null,
    count bigint not null,
    total float8 not null,
    minimum float8 not null,
    maximum float8 not null,
    last float8 not null,
    last_time timestamptz not null,
    last_sequence bigint not null,
    datastream int not null,
    width_s int not null,
    tenant int not null,
    classification text not null,
    primary key (width_s, datastream, bucket)
) partition by list (width_s);
create table if not exists iot.rollup_1min partition of iot.rollup for values in (60);
create table if not exists iot.rollup_15min partition of iot.rollup for values in (900);
create table if not exists iot.rollup_1h partition of iot.rollup for values in (3600);
create table if not exists iot.rollup_1d partition of iot.rollup for values in (86400);

-- Messages that were refused, whole, with the reason. The same message again only counts up.
create table if not exists iot.quarantine (
    id bigint generated always as identity primary key,
    tenant int not null,
    topic text not null,
    payload bytea not null,
    reason text not null,
    copies bigint not null default 1,
    first_at timestamptz not null,
    last_at timestamptz not null,
    digest bytea not null,
    unique (tenant, digest)
);

create or replace function iot.make_partitions(first timestamptz, last timestamptz) returns int
    language plpgsql security definer set search_path = pg_catalog, iot, pg_temp set timezone = 'UTC' as $$
declare
    month timestamp := date_trunc('month', first);
    made int := 0;
    part text;
begin
    if last - first > interval '50 years' then
        raise exception 'partitions from % to % are too many', first, last;
    end if;
    while month <= last loop
        part := 'observation_' || to_char(month, 'YYYY_MM');
        if to_regclass(format('iot.%I', part)) is null then
            perform pg_advisory_xact_lock(hashtext('iot.make_partitions'));
        end if;
        if to_regclass(format('iot.%I', part)) is null then
            -- Attached, not created in place: that would wait for every reader and writer of the table.
            execute format('create table iot.%I (like iot.observation including constraints)', part);
            execute format('alter table iot.%I enable row level security, force row level security', part);
            execute format('alter table iot.observation attach partition iot.%I for values from (%L) to (%L)',
                           part, month, month + interval '1 month');
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end $$;
revoke execute on function iot.make_partitions(timestamptz, timestamptz) from public;
grant execute on function iot.make_partitions(timestamptz, timestamptz) to twin_app;

-- Readers see what their classification allows; only an operator's process writes telemetry, in its own tenant.
-- Done once: doing it again would lock the tables under a running consumer.
do $$
declare
    name text;
    operating constant text := $p$tenant = twin.tenant() and twin.role() in ('operator', 'admin')$p$;
begin
    if exists (select from pg_policies where schemaname = 'iot' and tablename = 'quarantine') then
        return;
    end if;
    create index observation_time on iot.observation using brin (phenomenon_time);
    foreach name in array array['datastream', 'observation', 'latest', 'rollup', 'stream', 'rollup_reader', 'outbox', 'quarantine'] loop
        execute format('alter table iot.%I enable row level security, force row level security', name);
        execute format('create policy write on iot.%I for all using (%s) with check (%s)', name, operating, operating);
        if name in ('datastream', 'observation', 'latest', 'rollup') then
            execute format('create policy read on iot.%I for select using (twin.may_read(classification, tenant))', name);
        end if;
    end loop;
    foreach name in array array['rollup_1min', 'rollup_15min', 'rollup_1h', 'rollup_1d'] loop
        execute format('alter table iot.%I enable row level security, force row level security', name);
    end loop;
    create policy read on iot.stream for select using (true);
    create policy first on iot.stream for insert to twin_owner with check (seq = 0);
    create policy first on iot.rollup_reader for insert to twin_owner with check (seq = 0);
end $$;

grant select on iot.datastream, iot.observation, iot.latest, iot.rollup, iot.stream to twin_app, twin_tiles;
grant select on iot.rollup_reader, iot.outbox, iot.quarantine to twin_app;
grant insert on iot.observation, iot.latest, iot.outbox, iot.rollup, iot.quarantine to twin_app;
grant update on iot.latest, iot.stream, iot.rollup_reader, iot.rollup, iot.quarantine to twin_app;
grant delete on iot.outbox to twin_app;

insert into iot.stream (tenant) select id from twin.tenant on conflict do nothing;
insert into iot.rollup_reader (tenant) select id from twin.tenant on conflict do nothing;

select iot.make_partitions(now() - interval '1 month', now() + interval '3 months');
