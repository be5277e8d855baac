-- Branches over the layers: what differs from the base, never a copy of it.

create table twin.scenario (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    name text not null,
    author text not null default twin.actor(),
    colour text not null default '#7048e8',
    parent bigint references twin.scenario,
    state text not null default 'draft' check (state in ('draft', 'submitted', 'approved', 'archived')),
    version bigint not null default 0,
    parameters jsonb not null default '{}',
    base_change bigint not null default 0,
    created_at timestamptz not null default now(),
    unique (tenant, name)
);

-- The net difference of a branch from its parent, one row per touched feature. `row` holds the whole new feature
-- (every field of the layer's contract), so that a read needs no replay; `before` the digest it was changed from.
create table twin.overlay (
    scenario bigint not null references twin.scenario on delete cascade,
    layer text not null,
    id text not null,
    fid int not null,
    tenant int not null,
    classification text not null,
    operation text not null check (operation in ('add', 'modify', 'remove')),
    version bigint not null,
    geom geometry(Geometry, 4326),
    was geometry(Geometry, 4326),
    row jsonb,
    before uuid,
    primary key (scenario, layer, id),
    check ((operation = 'remove') = (row is null))
);
create index on twin.overlay using gist (geom);
create index on twin.overlay using gist (was);
create index on twin.overlay (scenario, layer, fid);

alter table twin.scenario enable row level security;
alter table twin.scenario force row level security;
create policy own on twin.scenario using (tenant = twin.tenant())
    with check (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'));
alter table twin.overlay enable row level security;
alter table twin.overlay force row level security;
create policy own on twin.overlay for select using (twin.may_read(classification, tenant) and tenant = twin.tenant());
create policy write on twin.overlay for all using (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'))
    with check (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'));

grant select, insert, update on twin.scenario to twin_app;
grant select, insert, update, delete on twin.overlay to twin_app;
grant select on twin.scenario, twin.overlay to twin_tiles;

-- A branch and its ancestors, nearest first.
create function twin.lineage(branch bigint) returns table (scenario bigint, depth int) language sql stable as $$
    with recursive up as (
        select s.id, s.parent, 0 as depth from twin.scenario s where s.id = branch
        union all
        select s.id, s.parent, up.depth + 1 from up join twin.scenario s on s.id = up.parent where up.depth < 64)
    select id, depth from up
$$;

-- What a branch, its ancestors counted, does to one layer: the nearest word on each feature.
create function twin.overlay_of(branch bigint, of_layer text) returns setof twin.overlay language sql stable as $$
    select (o).* from (
        select distinct on (o.id) o from twin.lineage(branch) l join twin.overlay o on o.scenario = l.scenario
         where o.layer = of_layer order by o.id, l.depth) nearest
$$;

create function twin.note_overlay() returns trigger language plpgsql as $$
begin
    if tg_op in ('INSERT', 'UPDATE') then
        insert into twin.change (tenant, layer, scenario, count, west, south, east, north)
        select tenant, layer, scenario, 1, st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)
          from (select n.*, st_collect(st_envelope(n.geom), st_envelope(n.was)) as e from new_rows n) t;
    end if;
    if tg_op in ('DELETE', 'UPDATE') then
        insert into twin.change (tenant, layer, scenario, count, west, south, east, north)
        select tenant, layer, scenario, 1, st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)
          from (select o.*, st_collect(st_envelope(o.geom), st_envelope(o.was)) as e from old_rows o) t;
    end if;
    notify twin_change;
    return null;
end $$;
create trigger overlay_added after insert on twin.overlay referencing new table as new_rows
    for each statement execute function twin.note_overlay();
create trigger overlay_changed after update on twin.overlay referencing old table as old_rows new table as new_rows
    for each statement execute function twin.note_overlay();
create trigger overlay_removed after delete on twin.overlay referencing old table as old_rows
    for each statement execute function twin.note_overlay();

-- The next number of a layer's features, for one that a branch adds: it keeps it when the branch is merged.
create function twin.next_fid(layer text) returns int language plpgsql security definer
    set search_path = pg_catalog, twin as $$
begin
    if not exists (select 1 from twin.layer l where l.name = next_fid.layer) then
        raise exception 'there is no layer %', layer;
    end if;
    return nextval(pg_get_serial_sequence(
        format('%I.%I', split_part(layer, '.', 1), split_part(layer, '.', 2)), 'fid'))::int;
end $$;
revoke execute on function twin.next_fid(text) from public;
grant execute on function twin.next_fid(text) to twin_app;
