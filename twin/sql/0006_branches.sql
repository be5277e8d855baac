-- Branches with a memory: change sets and their edits, moves through them, conflicts, comments, reviews and merges.

alter table twin.scenario
    add column head bigint,
    add column added int not null default 0,
    add column modified int not null default 0,
    add column removed int not null default 0,
    add column changed_at timestamptz not null default now(),
    add column merged_at timestamptz;
create index on twin.scenario (parent) where parent is not null;

-- The row that a feature was changed from, as it stood then: the base of a three-way merge. Null for what a branch adds.
alter table twin.overlay add column was_row jsonb, add column change_set bigint;

-- One act on a branch. `parent_set` is the act before it; an undo moves `scenario.head` there and keeps the act.
create table twin.change_set (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    scenario bigint not null references twin.scenario on delete cascade,
    parent_set bigint references twin.change_set on delete cascade,
    kind text not null default 'edit' check (kind in ('edit', 'merge', 'rebase', 'resolve', 'reparent')),
    version bigint not null,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp(),
    note text not null default '',
    operation jsonb,
    count int not null,
    from_parent bigint,
    to_parent bigint
);
create index on twin.change_set (scenario, parent_set, id);
alter table twin.scenario add foreign key (head) references twin.change_set on delete set null;

-- The overlay's row of a feature before and after a change set, geometries as hex EWKB, for jsonb_populate_record;
-- null where the overlay had, or has, no word on it.
create table twin.edit (
    change_set bigint not null references twin.change_set on delete cascade,
    layer text not null,
    id text not null,
    tenant int not null,
    classification text not null,
    before jsonb,
    after jsonb,
    primary key (change_set, layer, id)
);

-- Every version of a branch: which change set was written, undone or redone, by whom.
create table twin.move (
    scenario bigint not null references twin.scenario on delete cascade,
    version bigint not null,
    tenant int not null references twin.tenant,
    kind text not null check (kind in ('write', 'undo', 'redo')),
    change_set bigint not null references twin.change_set on delete cascade,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp(),
    primary key (scenario, version)
);

-- Two words on one field of one feature. `field` null: on whether it stands at all. It stands while `raised_in` is applied,
-- and is open while no `resolved_in` is.
create table twin.conflict (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    scenario bigint not null references twin.scenario on delete cascade,
    layer text not null,
    feature text not null,
    classification text not null,
    field text,
    cause text not null check (cause in ('write', 'merge', 'rebase', 'reparent')),
    base jsonb,
    ours jsonb,
    theirs jsonb,
    ours_by text not null,
    theirs_by text not null,
    at timestamptz not null default clock_timestamp(),
    raised_in bigint not null references twin.change_set on delete cascade,
    applied boolean not null default true,
    choice text check (choice in ('base', 'ours', 'theirs', 'value')),
    value jsonb,
    resolved_in bigint references twin.change_set on delete set null,
    resolved_by text,
    resolved_at timestamptz,
    settled boolean not null default false
);
create index on twin.conflict (scenario, id);
create index on twin.conflict (raised_in);
create index on twin.conflict (resolved_in) where resolved_in is not null;

-- States and who set them, with their reasons.
create table twin.review (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    scenario bigint not null references twin.scenario on delete cascade,
    old_state text not null,
    new_state text not null,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp(),
    version bigint not null,
    note text not null default ''
);
create index on twin.review (scenario, id);

-- What was merged, and into what (null: the base).
create table twin.merge (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    scenario bigint not null references twin.scenario on delete cascade,
    target bigint references twin.scenario on delete set null,
    version bigint not null,
    digest text not null,
    count int not null,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp()
);
create index on twin.merge (scenario);

-- Words pinned to a place: a point, a feature, or the branch as a whole. `thread` is the comment that this one answers.
create table twin.comment (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    scenario bigint not null references twin.scenario on delete cascade,
    thread bigint references twin.comment on delete cascade,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp(),
    body text not null check (length(body) between 1 and 4000),
    layer text,
    feature text,
    classification text not null default 'public',
    point geometry(Point, 4326),
    resolved_by text,
    resolved_at timestamptz,
    check ((layer is null) = (feature is null))
);
create index on twin.comment (scenario, id);

create function twin.may_plan(row_tenant int) returns boolean language sql stable parallel safe
    as $$ select row_tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin') $$;

do $$
declare
    name text;
begin
    foreach name in array array['change_set', 'move', 'review', 'merge'] loop
        execute format('alter table twin.%I enable row level security', name);
        execute format('alter table twin.%I force row level security', name);
        execute format('create policy own on twin.%I for select using (tenant = twin.tenant())', name);
        execute format('create policy adds on twin.%I for insert'
            ' with check (twin.may_plan(tenant) and author = twin.actor())', name);
        execute format('grant select, insert on twin.%I to twin_app', name);
    end loop;
    foreach name in array array['edit', 'conflict', 'comment'] loop
        execute format('alter table twin.%I enable row level security', name);
        execute format('alter table twin.%I force row level security', name);
        execute format('create policy own on twin.%I for select'
            ' using (tenant = twin.tenant() and twin.may_read(classification, tenant))', name);
        execute format('create policy adds on twin.%I for insert with check (twin.may_plan(tenant))', name);
        execute format('grant select, insert on twin.%I to twin_app', name);
    end loop;
end $$;
-- A conflict is raised and settled, a thread resolved; what was said and done is never rewritten.
create policy settles on twin.conflict for update using (twin.may_plan(tenant)) with check (twin.may_plan(tenant));
create policy settles on twin.comment for update using (twin.may_plan(tenant)) with check (twin.may_plan(tenant));
grant update (applied, choice, value, resolved_in, resolved_by, resolved_at, settled) on twin.conflict to twin_app;
grant update (resolved_by, resolved_at) on twin.comment to twin_app;

-- The next numbers of a layer's features.
create function twin.next_fids(layer text, wanted int) returns setof int language plpgsql security definer
    set search_path = pg_catalog, twin, pg_temp as $$
declare
    counter text;
begin
    if not exists (select 1 from twin.layer l where l.name = next_fids.layer) then
        raise exception 'there is no layer %', layer;
    end if;
    counter := pg_get_serial_sequence(format('%I.%I', split_part(layer, '.', 1), split_part(layer, '.', 2)), 'fid');
    return query select nextval(counter)::int from generate_series(1, least(wanted, 1000000));
end $$;
revoke execute on function twin.next_fids(text, int) from public;
grant execute on function twin.next_fids(text, int) to twin_app;

-- One row per changed feature up to 256 of them in a statement; beyond that one per cell of about two kilometres.
create or replace function twin.note_overlay() returns trigger language plpgsql as $$
declare
    changed bigint;
    cell float8 := 0;
begin
    if tg_op in ('INSERT', 'UPDATE') then
        select count(*) into changed from new_rows;
        cell := case when changed > 256 then 0.02 else 0 end;
        insert into twin.change (tenant, layer, scenario, count, west, south, east, north)
        select min(tenant), layer, scenario, count(*), min(st_xmin(e)), min(st_ymin(e)), max(st_xmax(e)), max(st_ymax(e))
          from (select n.tenant, n.layer, n.scenario, n.id, st_collect(st_envelope(n.geom), st_envelope(n.was)) as e
                  from new_rows n) t
         group by layer, scenario, case when cell = 0 then id end,
                  case when cell > 0 then floor(st_xmin(e) / cell) end, case when cell > 0 then floor(st_ymin(e) / cell) end;
    end if;
    if tg_op in ('DELETE', 'UPDATE') then
        select count(*) into changed from old_rows;
        cell := case when changed > 256 then 0.02 else 0 end;
        insert into twin.change (tenant, layer, scenario, count, west, south, east, north)
        select min(tenant), layer, scenario, count(*), min(st_xmin(e)), min(st_ymin(e)), max(st_xmax(e)), max(st_ymax(e))
          from (select o.tenant, o.layer, o.scenario, o.id, st_collect(st_envelope(o.geom), st_envelope(o.was)) as e
                  from old_rows o) t
         group by layer, scenario, case when cell = 0 then id end,
                  case when cell > 0 then floor(st_xmin(e) / cell) end, case when cell > 0 then floor(st_ymin(e) / cell) end;
    end if;
    notify twin_change;
    return null;
end $$;
