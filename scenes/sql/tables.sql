-- The scenes' own tables: each building with its cell, and what each cell holds. Run as twin_owner; may run again.
create schema if not exists scenes;
grant usage on schema scenes to twin_app, twin_tiles;

-- A building as the mesh needs it, stored in the order of its cells. Codes: scenes/footprints.py. shape: WKB, lon lat.
create table if not exists scenes.building (
    fid int primary key,
    tenant int not null references twin.tenant,
    classification text not null,
    id text not null,
    digest uuid,
    cell bigint not null,
    place int not null,
    reason smallint not null,
    roof smallint not null,
    storeys smallint not null,
    use smallint not null,
    origin smallint not null,
    height_m real,
    height_se_m real,
    roof_height_m real,
    ground_m real,
    ground_max_m real,
    shape bytea not null
);
alter table scenes.building add column if not exists solid bytea;
comment on column scenes.building.solid is 'as companion.solid, null where the building is extruded';
create index if not exists building_cell on scenes.building (cell, place);
create index if not exists building_reason on scenes.building (fid) where reason > 0;

-- What a cell holds, per tenant and classification. Degrees; low and high: orthometric metres; largest: metres.
create table if not exists scenes.cell (
    scene text not null,
    cell bigint not null,
    tenant int not null references twin.tenant,
    classification text not null,
    level smallint not null,
    x int not null,
    y int not null,
    count int not null,
    vertices int not null,
    problems int not null,
    west float8 not null, south float8 not null, east float8 not null, north float8 not null,
    low real not null, high real not null, largest real not null,
    version bigint not null default pg_current_xact_id()::text::bigint,
    primary key (scene, cell, tenant, classification)
);

-- Features that a scene cannot draw as they stand; the buildings' own are marked in scenes.building. Codes: scenes/layered.py.
create table if not exists scenes.problem (
    scene text not null,
    fid int not null,
    tenant int not null references twin.tenant,
    classification text not null,
    id text not null,
    reason smallint not null,
    primary key (scene, fid)
);

do $$
declare
    relation text;
    own text := $c$tenant = nullif(current_setting('twin.tenant', true), '')::int$c$;
begin
    foreach relation in array array['building', 'cell', 'problem'] loop
        execute format('alter table scenes.%I enable row level security', relation);
        execute format('alter table scenes.%I force row level security', relation);
        execute format('drop policy if exists read on scenes.%I', relation);
        execute format('drop policy if exists write on scenes.%I', relation);
        execute format($p$create policy read on scenes.%I for select using (classification = 'public' or (%s
            and classification = any (string_to_array(current_setting('twin.may_read', true), ','))))$p$, relation, own);
        execute format('create policy write on scenes.%I for all to twin_owner using (%s) with check (%s)', relation, own, own);
        execute format('grant select on scenes.%I to twin_app, twin_tiles', relation);
    end loop;
end $$;
