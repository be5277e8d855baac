-- The entities of SensorThings as views in the asker's own rights. Run as twin_owner, any number of times.
create schema if not exists sta;
grant usage on schema sta to twin_app;

-- Kinds of instrument and what is observed, numbered once for ever as datastreams come to name them.
create table if not exists sta.instrument (
    id int generated always as identity primary key,
    schema text not null unique
);
create table if not exists sta.phenomenon (
    id int generated always as identity primary key,
    name text not null unique
);

create or replace function sta.know_names() returns trigger language plpgsql security definer set search_path = pg_catalog, sta, pg_temp as $$
begin
    insert into sta.instrument (schema) select new.schema where not exists (select from sta.instrument where schema = new.schema)
        on conflict do nothing;
    insert into sta.phenomenon (name) select new.phenomenon where not exists (select from sta.phenomenon where name = new.phenomenon)
        on conflict do nothing;
    return null;
end $$;

do $$
declare
    name text;
begin
    foreach name in array array['instrument', 'phenomenon'] loop
        if not exists (select from pg_policies where schemaname = 'sta' and tablename = name) then
            execute format('alter table sta.%I enable row level security, force row level security', name);
            execute format('create policy read on sta.%I for select using (true)', name);
            execute format('create policy number on sta.%I for insert to twin_owner with check (true)', name);
        end if;
    end loop;
    if not exists (select from pg_trigger where tgrelid = 'iot.datastream'::regclass and tgname = 'know_names') then
        create trigger know_names after insert or update of schema, phenomenon on iot.datastream
            for each row execute function sta.know_names();
        -- The owner sees datastreams of every tenant only without their row-level security.
        alter table iot.datastream no force row level security;
        insert into sta.instrument (schema) select distinct schema from iot.datastream on conflict do nothing;
        insert into sta.phenomenon (name) select distinct phenomenon from iot.datastream on conflict do nothing;
        alter table iot.datastream force row level security;
    end if;
end $$;

create or replace function sta.unit(symbol text) returns jsonb language sql immutable parallel safe as $$
    select jsonb_build_object('name', coalesce(names ->> symbol, symbol), 'symbol', symbol,
                              'definition', 'http://www.rfc-editor.org/rfc/rfc8428.html#section-12.1')
      from (values (jsonb_build_object('V', 'volt', 'm', 'metre', 'm3/s', 'cubic metre per second', 'm/s', 'metre per second',
                                       'ug/m3', 'microgram per cubic metre', '%', 'percent', '%RH', 'percent relative humidity',
                                       'Cel', 'degree Celsius', 'A', 'ampere', 'W', 'watt'))) as known (names)
$$;

create or replace view sta.place with (security_invoker = true) as
select s.fid, s.id, s.tenant, s.station, s.district, s.origin, s.valid_from,
       coalesce(st_setsrid(st_makepoint(l.lon, l.lat), 4326), s.geom) as geom, coalesce(l.phenomenon_time, s.valid_from) as since
  from iot.sensors s
  left join lateral (
    select v.lon, v.lat, v.phenomenon_time from iot.datastream d join iot.latest v on v.datastream = d.id
     where d.tenant = s.tenant and d.sensor = s.id and d.mobile and v.lon is not null
     order by v.phenomenon_time desc limit 1) l on true;

create or replace view sta.thing with (security_invoker = true) as
select s.fid as id, s.id as name, 'Station ' || s.station || coalesce(', ' || s.district, '') as description,
       jsonb_strip_nulls(jsonb_build_object('station', s.station, 'district', s.district, 'origin', s.origin)) as properties
  from iot.sensors s;

create or replace view sta.location with (security_invoker = true) as
select p.fid as id, p.id as name, 'Where ' || p.station || ' is' as description, 'application/geo+json' as encoding_type,
       p.geom as location, jsonb_strip_nulls(jsonb_build_object('district', p.district, 'origin', p.origin)) as properties
  from sta.place p;

create or replace view sta.historical_location with (security_invoker = true) as
select p.fid as id, p.since as time from sta.place p;

create or replace view sta.feature_of_interest with (security_invoker = true) as
select p.fid as id, p.id as name, 'What is around ' || p.station as description, 'application/geo+json' as encoding_type,
       p.geom as feature, jsonb_strip_nulls(jsonb_build_object('district', p.district, 'origin', p.origin)) as properties
  from sta.place p;

create or replace view sta.sensor with (security_invoker = true) as
select i.id, i.schema as name, 'Instruments whose messages follow the schema ' || i.schema as description,
       'application/schema+json' as encoding_type, 'urn:twin:schema:' || i.schema as metadata, '{}'::jsonb as properties
  from sta.instrument i;

create or replace view sta.observed_property with (security_invoker = true) as
select p.id, p.name, 'urn:twin:phenomenon:' || p.name as definition, initcap(replace(p.name, '_', ' ')) as description,
       '{}'::jsonb as properties
  from sta.phenomenon p;

create or replace view sta.datastream with (security_invoker = true) as
select d.id, d.sensor || ' ' || d.phenomenon as name, initcap(replace(d.phenomenon, '_', ' ')) || ' at ' || d.sensor as description,
       'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement' as observation_type, sta.unit(d.unit) as unit,
       s.geom as observed_area,
       (select min(o.phenomenon_time) from iot.observation o where o.datastream = d.id and o.sector = d.sector) as first_time,
       (select max(o.phenomenon_time) from iot.observation o where o.datastream = d.id and o.sector = d.sector) as last_time,
       jsonb_strip_nulls(jsonb_build_object('schema', d.schema, 'minimum', d.minimum, 'maximum', d.maximum, 'interval_s', d.interval_s,
                                            'mobile', d.mobile, 'origin', s.origin)) as properties,
       s.fid as thing_id, i.id as sensor_id, p.id as observed_property_id
  from iot.datastream d
  join iot.sensors s on s.tenant = d.tenant and s.id = d.sensor
  join sta.instrument i on i.schema = d.schema
  join sta.phenomenon p on p.name = d.phenomenon;

create or replace view sta.observation with (security_invoker = true) as
select o.datastream || '-' || (extract(epoch from o.phenomenon_time) * 1000000)::bigint || '-' || o.sequence as id,
       o.phenomenon_time, o.sequence, o.result, o.result_text, o.quality,
       jsonb_strip_nulls(jsonb_build_object('sequence', o.sequence::text, 'received', to_char(o.received_at at time zone 'UTC',
           'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'lon', o.lon, 'lat', o.lat, 'origin', s.origin)) as parameters,
       o.datastream as datastream_id, s.fid as feature_id
  from iot.datastream d
  join iot.observation o on o.datastream = d.id and o.sector = d.sector
  join iot.sensors s on s.tenant = d.tenant and s.id = d.sensor;

grant select on all tables in schema sta to twin_app;
