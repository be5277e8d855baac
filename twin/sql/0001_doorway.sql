-- Roles, tenants, tokens, sources, quarantine, audit, changes: what stands before any layer does.
-- twin_owner owns everything; twin_app serves the API; twin_tiles reads tiles. Row-level security holds for all three.

create schema twin;
create schema companion;
create schema staging;
create schema scenes;

grant usage on schema twin, companion, scenes to twin_app, twin_tiles;

-- What the transaction may see. Set by db.session(actor) with set_config(…, true); anonymous sets neither.
create function twin.tenant() returns int language sql stable parallel safe
    as $$ select nullif(current_setting('twin.tenant', true), '')::int $$;
create function twin.actor() returns text language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('twin.actor', true), ''), 'anonymous') $$;
create function twin.role() returns text language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('twin.role', true), ''), 'anonymous') $$;
create function twin.may_read(classification text, row_tenant int) returns boolean language sql stable parallel safe
    as $$ select classification = 'public'
              or (row_tenant = nullif(current_setting('twin.tenant', true), '')::int
                  and classification = any (string_to_array(current_setting('twin.may_read', true), ','))) $$;

create table twin.tenant (
    id int primary key,
    name text not null unique
);
insert into twin.tenant values (1, 'rwanda');

create table twin.token (
    id uuid primary key default gen_random_uuid(),
    hash bytea not null unique,
    tenant int not null references twin.tenant,
    actor text not null,
    role text not null check (role in ('viewer', 'planner', 'approver', 'operator', 'admin')),
    kind text not null check (kind in ('bearer', 'login', 'cookie')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz
);

create table twin.source (
    id int generated always as identity primary key,
    tenant int not null references twin.tenant,
    name text not null,
    layer text not null,
    path text not null,
    sha256 text not null,
    licence text not null,
    attribution text not null,
    origin text not null,
    classification text not null default 'public',
    retrieved_at timestamptz not null,
    loaded_at timestamptz not null default now(),
    rows_read bigint not null,
    rows_loaded bigint not null,
    rows_repaired bigint not null,
    rows_quarantined bigint not null,
    remarks text not null default ''
);
create index on twin.source (layer, name);

create table twin.quarantine (
    id bigint generated always as identity primary key,
    tenant int not null,
    layer text not null,
    source text not null,
    sha256 text not null,
    ordinal bigint not null,
    reason text not null,
    row jsonb not null,
    geom_wkb bytea,
    at timestamptz not null default now()
);
create index on twin.quarantine (layer, source);

create table twin.layer (
    name text primary key,
    generation bigint not null default 1,
    count bigint not null default 0,
    extent box2d,
    loaded_at timestamptz,
    origins text[] not null default '{}'
);

create table twin.raster (
    name text primary key,
    layer text not null,
    path text not null,
    generation bigint not null default 1,
    west float8 not null, south float8 not null, east float8 not null, north float8 not null,
    metadata jsonb not null default '{}',
    loaded_at timestamptz not null default now()
);

-- From which generation of a layer its tiles or meshes were made, and up to which of its changes.
create table companion.made (
    output text not null,
    layer text not null,
    generation bigint not null,
    change_id bigint not null,
    at timestamptz not null default now(),
    primary key (output, layer)
);
grant select on companion.made to twin_app, twin_tiles;

-- The audit only grows. The hash link is added in commit order, by twin.advance, in a table of its own.
create table twin.audit (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    tenant int not null,
    actor text not null default twin.actor(),
    role text not null default twin.role(),
    action text not null,
    thing text not null,
    count bigint not null,
    before_hash text,
    after_hash text,
    detail jsonb not null default '{}'
);
create index on twin.audit (xid, id);

create table twin.audit_link (
    seq bigint primary key,
    audit_id bigint not null unique references twin.audit,
    previous bytea not null,
    hash bytea not null
);

create table twin.change (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    tenant int not null default coalesce(twin.tenant(), 1),
    layer text not null,
    scenario bigint,
    output text,
    count bigint not null,
    west float8, south float8, east float8, north float8,
    seq bigint unique
);
comment on column twin.change.output is 'null: the layer itself changed; tiles, scene: only what is made of it';
create index change_waiting on twin.change (xid, id) where seq is null;
create index change_of_layer on twin.change (layer, id) where output is null and scenario is null;

create table twin.reader (
    one boolean primary key default true check (one),
    change_seq bigint not null default 0,
    audit_xid xid8 not null default '0',
    audit_id bigint not null default 0,
    audit_seq bigint not null default 0,
    audit_hash bytea not null default '\x0000000000000000000000000000000000000000000000000000000000000000'
);
insert into twin.reader default values;

-- One row per changed feature up to 256 of them in a statement, beyond that one row with the extent of all.
-- argv: layer name. NOTIFY only wakes; the table is the truth.
create function twin.note_change() returns trigger language plpgsql as $$
declare
    touched text;
    changed bigint;
begin
    touched := case tg_op
        when 'INSERT' then 'select tenant, geom from new_rows'
        when 'DELETE' then 'select tenant, geom from old_rows'
        else 'select coalesce(o.tenant, n.tenant) as tenant, st_collect(st_envelope(o.geom), st_envelope(n.geom)) as geom
                from old_rows o full join new_rows n using (fid)' end;
    execute format('select count(*) from (%s) t', touched) into changed;
    if changed = 0 then
        return null;
    end if;
    if changed <= 256 then
        execute format(
            'insert into twin.change (tenant, layer, count, west, south, east, north)
             select tenant, $1, 1, st_xmin(geom), st_ymin(geom), st_xmax(geom), st_ymax(geom) from (%s) t', touched)
            using tg_argv[0];
    else
        execute format(
            'insert into twin.change (tenant, layer, count, west, south, east, north)
             select min(tenant), $1, count(*), st_xmin(st_extent(geom)), st_ymin(st_extent(geom)),
                    st_xmax(st_extent(geom)), st_ymax(st_extent(geom)) from (%s) t', touched)
            using tg_argv[0];
    end if;
    notify twin_change;
    return null;
end $$;

-- Numbers committed changes and links committed audit rows, in commit order; returns the newest change number.
-- A row is taken once no transaction older than its own is still open, so no later commit can come before it.
create function twin.advance() returns bigint language plpgsql security definer
    set search_path = pg_catalog, twin, public set timezone = 'UTC' as $$
declare
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
    last twin.reader;
    numbered bigint := 0;
    linked bigint := 0;
    row record;
    link bytea;
begin
    if not pg_try_advisory_xact_lock(hashtext('twin.advance')) then
        return null;
    end if;
    select * into last from twin.reader;
    with waiting as (
        select id, row_number() over (order by xid, id) as n from twin.change where seq is null and xid < horizon
    )
    update twin.change c set seq = last.change_seq + w.n from waiting w where c.id = w.id;
    get diagnostics numbered = row_count;
    link := last.audit_hash;
    for row in
        select a.* from twin.audit a
         where (a.xid, a.id) > (last.audit_xid, last.audit_id) and a.xid < horizon order by a.xid, a.id
    loop
        linked := linked + 1;
        insert into twin.audit_link values (
            last.audit_seq + linked, row.id, link,
            sha256(link || convert_to(to_jsonb(row)::text, 'UTF8')))
        returning hash into link;
        last.audit_xid := row.xid;
        last.audit_id := row.id;
    end loop;
    if numbered + linked > 0 then
        update twin.reader set change_seq = last.change_seq + numbered, audit_seq = last.audit_seq + linked,
               audit_hash = link, audit_xid = last.audit_xid, audit_id = last.audit_id;
        if numbered > 0 then
            notify twin_numbered;
        end if;
    end if;
    return last.change_seq + numbered;
end $$;

-- The first broken links of the audit; no row where the chain holds.
create function twin.audit_break() returns table (seq bigint, audit_id bigint, reason text)
    language sql stable security definer set search_path = pg_catalog, twin, public set timezone = 'UTC' as $$
    select seq, audit_id,
           case when missing then 'the audit row is gone'
                when previous <> expected then 'the link before it differs'
                else 'the audit row was changed' end
      from (
        select l.seq, l.audit_id, a.id is null as missing, l.previous, l.hash,
               coalesce(lag(l.hash) over w, decode(repeat('00', 32), 'hex')) as expected,
               sha256(l.previous || convert_to(to_jsonb(a)::text, 'UTF8')) as recomputed
          from twin.audit_link l left join twin.audit a on a.id = l.audit_id
        window w as (order by l.seq)) chain
     where missing or previous <> expected or hash <> recomputed
     order by seq
$$;

-- Only its owner calls what runs with its owner's rights, unless named here.
revoke execute on function twin.advance(), twin.audit_break() from public;
grant execute on function twin.advance(), twin.audit_break() to twin_app;

alter table twin.token enable row level security;
alter table twin.token force row level security;
create policy everyone on twin.token using (true) with check (true);
alter table twin.source enable row level security;
alter table twin.source force row level security;
create policy read on twin.source for select using (twin.may_read(classification, tenant));
create policy write on twin.source for insert with check (tenant = twin.tenant());
alter table twin.quarantine enable row level security;
alter table twin.quarantine force row level security;
create policy own on twin.quarantine using (tenant = twin.tenant() and twin.role() in ('operator', 'admin'))
    with check (tenant = twin.tenant());
alter table twin.audit enable row level security;
alter table twin.audit force row level security;
create policy add on twin.audit for insert with check (tenant = twin.tenant() and actor = twin.actor() and role = twin.role());
create policy read on twin.audit for select using (tenant = twin.tenant() and twin.role() in ('operator', 'admin'));
create policy link on twin.audit for select to twin_owner using (current_user = 'twin_owner');
alter table twin.change enable row level security;
alter table twin.change force row level security;
create policy read on twin.change for select using (true);
create policy add on twin.change for insert with check (true);
create policy number on twin.change for update to twin_owner using (true);

grant select on twin.tenant, twin.layer, twin.raster, twin.source, twin.change, twin.audit_link, twin.reader to twin_app, twin_tiles;
grant select, insert, update on twin.token to twin_app;
grant select on twin.quarantine to twin_app;
grant select, insert on twin.audit to twin_app;
grant insert on twin.change to twin_app;
