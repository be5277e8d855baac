-- Telemetry's tables: datastreams, observations, latest values, rollups, what was refused. Run as twin_owner, any number of times.
create schema if not exists iot;
grant usage on schema iot to twin_app, twin_tiles;

-- Who keeps telemetry how long: the second word of a topic (`rwa/energy/…`). Nothing before `kept_since` is kept or taken any more.
create table if not exists iot.sector (
    id smallint generated always as identity primary key,
    name text not null unique check (name ~ '^[a-z0-9][a-z0-9_]{0,29}$'),
    kept_since timestamptz not null default '2000-01-01 00:00+00'
);

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
    sector smallint not null references iot.sector,
    unique (tenant, sensor, phenomenon),
    check (minimum <= maximum)
);

-- What the first version made, by month only, is laid aside here and taken over at the end.
do $$ begin
    if (select partstrat from pg_partitioned_table where partrelid = to_regclass('iot.observation')) = 'r' then
        alter table iot.observation rename to observation_before;
        alter table iot.observation_before rename constraint observation_pkey to observation_before_pkey;
        drop index if exists iot.observation_time;
        alter table iot.datastream add column sector smallint references iot.sector;
    end if;
end $$;

-- By sector, then by month: so that a sector's months go as whole tables. Months are made by iot.make_partitions, ahead by the
-- clock and behind by need (late data). Wide columns first.
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
    sector smallint not null,
    primary key (datastream, phenomenon_time, sequence, sector),
    check (result is not null or result_text is not null),
    check (quality in ('good', 'suspect', 'bad'))
) partition by list (sector);

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

drop function if exists iot.make_partitions(timestamptz, timestamptz);

-- The months of a sector from one time to another; the number that was missing. None is made of before what is kept.
create or replace function iot.make_partitions(of_sector smallint, first timestamptz, last timestamptz) returns int
    language plpgsql security definer set search_path = pg_catalog, iot, pg_temp set timezone = 'UTC' as $$
declare
    month timestamp := date_trunc('month', first);
    made int := 0;
    parent text;
    part text;
begin
    if last - first > interval '50 years' then
        raise exception 'partitions from % to % are too many', first, last;
    end if;
    select 'observation_' || name into strict parent from iot.sector where id = of_sector;
    while month <= last loop
        part := parent || to_char(month, '_YYYY_MM');
        if to_regclass(format('iot.%I', part)) is null then
            perform pg_advisory_xact_lock(hashtext('iot.make_partitions'));
        end if;
        if to_regclass(format('iot.%I', part)) is null
           and month >= (select date_trunc('month', kept_since) from iot.sector where id = of_sector) then
            -- Attached, not created in place: that would wait for every reader and writer of the table.
            execute format('create table iot.%I (like iot.observation including constraints)', part);
            execute format('alter table iot.%I enable row level security, force row level security', part);
            execute format('alter table iot.%I attach partition iot.%I for values from (%L) to (%L)',
                           parent, part, month, month + interval '1 month');
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end $$;

-- The number of a topic's sector, which is made where it is new.
create or replace function iot.sector_of(topic text) returns smallint
    language plpgsql security definer set search_path = pg_catalog, iot, pg_temp as $$
declare
    word text := left(coalesce(nullif(trim(both '_' from regexp_replace(lower(split_part(topic, '/', 2)), '[^a-z0-9]+', '_', 'g')), ''),
                               'other'), 30);
    found_id smallint;
begin
    select id into found_id from iot.sector where name = word;
    if found_id is null then
        perform pg_advisory_xact_lock(hashtext('iot.make_partitions'));
        select id into found_id from iot.sector where name = word;
    end if;
    if found_id is null then
        insert into iot.sector (name) values (word) returning id into found_id;
        execute format('create table iot.%I (like iot.observation including constraints) partition by range (phenomenon_time)',
                       'observation_' || word);
        execute format('alter table iot.%I enable row level security, force row level security', 'observation_' || word);
        execute format('alter table iot.observation attach partition iot.%I for values in (%L)', 'observation_' || word, found_id);
        perform iot.make_partitions(found_id, now() - interval '1 month', now() + interval '2 months');
    end if;
    return found_id;
end $$;

create or replace function iot.know_sector() returns trigger language plpgsql as $$
begin
    new.sector := iot.sector_of(new.topic);
    return new;
end $$;

-- Drops a sector's months that end before a time, and takes nothing older from then on; the names of the dropped tables.
-- Where readers hold the table longer than two seconds the rest is left for the next time.
create or replace function iot.retain(of_sector smallint, before timestamptz) returns text[]
    language plpgsql security definer set search_path = pg_catalog, iot, pg_temp set timezone = 'UTC' set lock_timeout = '2s' as $$
declare
    floor_at timestamptz := date_trunc('month', before);
    part text;
    dropped text[] := '{}';
begin
    if twin.role() not in ('operator', 'admin') then
        raise insufficient_privilege using message = 'only an operator drops observations';
    end if;
    perform pg_advisory_xact_lock(hashtext('iot.make_partitions'));
    for part in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = (select to_regclass(format('iot.%I', 'observation_' || name)) from iot.sector where id = of_sector)
           and to_date(right(c.relname, 7), 'YYYY_MM') < floor_at
         order by 1
    loop
        begin
            execute format('drop table iot.%I', part);
            dropped := dropped || part;
        exception when lock_not_available then
            return dropped;
        end;
    end loop;
    update iot.sector set kept_since = floor_at where id = of_sector and kept_since < floor_at;
    return dropped;
end $$;
revoke execute on function iot.make_partitions(smallint, timestamptz, timestamptz), iot.sector_of(text), iot.retain(smallint, timestamptz)
    from public;
grant execute on function iot.make_partitions(smallint, timestamptz, timestamptz), iot.retain(smallint, timestamptz) to twin_app;

-- What exists already is not made again: that would lock the tables under a running consumer.
do $$
declare
    name text;
    -- The selects make it asked once a statement, not once a row.
    operating constant text := $p$tenant = (select twin.tenant()) and (select twin.role()) in ('operator', 'admin')$p$;
begin
    if not exists (select from pg_trigger where tgrelid = 'iot.datastream'::regclass and tgname = 'know_sector') then
        create trigger know_sector before insert or update of topic on iot.datastream
            for each row execute function iot.know_sector();
    end if;
    if to_regclass('iot.observation_before') is not null then
        alter table iot.datastream disable row level security;
        alter table iot.observation_before disable row level security;
        update iot.datastream set topic = topic where sector is null;
        alter table iot.datastream alter column sector set not null, enable row level security;
        perform iot.make_partitions(s.sector, s.first, s.last)
           from (select d.sector, min(o.phenomenon_time) as first, max(o.phenomenon_time) as last
                   from iot.observation_before o join iot.datastream d on d.id = o.datastream group by 1) s;
        insert into iot.observation
        select o.*, d.sector from iot.observation_before o join iot.datastream d on d.id = o.datastream;
        drop table iot.observation_before;
    end if;
    if to_regclass('iot.observation_time') is null then
        create index observation_time on iot.observation using brin (phenomenon_time);
    end if;
    foreach name in array array['datastream', 'observation', 'latest', 'rollup', 'stream', 'rollup_reader', 'outbox', 'quarantine'] loop
        if exists (select from pg_policies where schemaname = 'iot' and tablename = name and policyname = 'write') then
            if exists (select from pg_policies where schemaname = 'iot' and tablename = name and policyname = 'write'
                                                 and qual not ilike '%( select %') then
                execute format('alter policy write on iot.%I using (%s) with check (%s)', name, operating, operating);
            end if;
            continue;
        end if;
        execute format('alter table iot.%I enable row level security, force row level security', name);
        execute format('create policy write on iot.%I for all using (%s) with check (%s)', name, operating, operating);
        if name in ('datastream', 'observation', 'latest', 'rollup') then
            execute format('create policy read on iot.%I for select using (twin.may_read(classification, tenant))', name);
        end if;
    end loop;
    -- Batches are read within seconds: compressing them took longer than all else about them.
    for name in select attname from pg_attribute where attrelid = 'iot.outbox'::regclass and attnum > 0 and attstorage = 'x' loop
        execute format('alter table iot.outbox alter column %I set storage external', name);
    end loop;
    if exists (select from pg_policies where schemaname = 'iot' and tablename = 'stream' and policyname = 'read') then
        return;
    end if;
    foreach name in array array['rollup_1min', 'rollup_15min', 'rollup_1h', 'rollup_1d'] loop
        execute format('alter table iot.%I enable row level security, force row level security', name);
    end loop;
    create policy read on iot.stream for select using (true);
    create policy first on iot.stream for insert to twin_owner with check (seq = 0);
    create policy first on iot.rollup_reader for insert to twin_owner with check (seq = 0);
end $$;

grant select on iot.datastream, iot.observation, iot.latest, iot.rollup, iot.stream, iot.sector to twin_app, twin_tiles;
grant select on iot.rollup_reader, iot.outbox, iot.quarantine to twin_app;
grant insert on iot.observation, iot.latest, iot.outbox, iot.rollup, iot.quarantine to twin_app;
grant update on iot.latest, iot.stream, iot.rollup_reader, iot.rollup, iot.quarantine to twin_app;
grant delete on iot.outbox, iot.rollup, iot.quarantine to twin_app;

insert into iot.stream (tenant) select id from twin.tenant on conflict do nothing;
insert into iot.rollup_reader (tenant) select id from twin.tenant on conflict do nothing;

select iot.make_partitions(id, now() - interval '1 month', now() + interval '2 months') from iot.sector;
