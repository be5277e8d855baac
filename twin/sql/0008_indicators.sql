-- Sums of indicators by village, kept by district: a cache that may be emptied at any time. `access` says whose eyes they were
-- computed with (tenant and classifications), as the policy makes it from the session.
create table twin.indicator_sums (
    access text not null,
    name text not null,
    key bytea not null,
    district int not null,
    seq bigint not null,
    known bytea not null,
    sums bytea not null,
    at timestamptz not null default now(),
    primary key (access, key, district)
);
create index on twin.indicator_sums (access, name);
alter table twin.indicator_sums alter column sums set storage external;

-- What was told of persons in drawn polygons, to whom: so that two of them cannot be held against each other.
create table twin.indicator_told (
    id bigint generated always as identity primary key,
    tenant int,
    actor text not null default twin.actor(),
    name text not null,
    scenario bigint,
    at timestamptz not null default now(),
    geom geometry(Geometry, 4326) not null
);
create index on twin.indicator_told (actor, name, at);
create index on twin.indicator_told using gist (geom);

create function twin.access() returns text language sql stable
    as $$ select coalesce(twin.tenant()::text, '') || ':' || coalesce(current_setting('twin.may_read', true), '') $$;

alter table twin.indicator_sums enable row level security;
alter table twin.indicator_sums force row level security;
create policy own on twin.indicator_sums using (access = twin.access()) with check (access = twin.access());
alter table twin.indicator_told enable row level security;
alter table twin.indicator_told force row level security;
create policy own on twin.indicator_told for select
    using (actor = twin.actor() and tenant is not distinct from twin.tenant());
create policy add on twin.indicator_told for insert
    with check (actor = twin.actor() and tenant is not distinct from twin.tenant());

grant select, insert, update, delete on twin.indicator_sums to twin_app;
grant select, insert on twin.indicator_told to twin_app;
