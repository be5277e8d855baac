-- The bus: what was posted, the log it becomes, and how far each group has read. Run as twin_owner, any number of times.
create schema if not exists bus;
grant usage on schema bus to twin_app;

-- Posted within transactions of others; numbered afterwards, so that nobody waits for a number.
create table if not exists bus.posted (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    tenant int not null references twin.tenant,
    topic text not null,
    key text not null,
    event_id text not null,
    body text not null
);

-- The log: each event with its number; `bulk` is telemetry, kept shorter. What had committed before an event was posted has a lower number than it.
create table if not exists bus.event (
    seq bigint not null,
    at timestamptz not null,
    tenant int not null,
    partition smallint not null,
    bulk boolean not null default false,
    topic text not null,
    key text not null,
    body text not null,
    primary key (tenant, partition, seq)
);

-- The number of the newest event, of the newest that was given up, and how far telemetry and changes were taken in.
create table if not exists bus.head (
    tenant int primary key references twin.tenant,
    seq bigint not null default 0,
    trimmed bigint not null default 0,
    observations bigint not null default 0,
    changes bigint not null default 0
) with (fillfactor = 10);

-- A group of readers. `topics` are patterns of LIKE; `keeps`: what it has not read is not given up within the longest time.
create table if not exists bus.reader (
    tenant int not null references twin.tenant,
    name text not null,
    topics text[] not null,
    keeps boolean not null default false,
    seen_at timestamptz not null default now(),
    primary key (tenant, name)
);

create table if not exists bus.position (
    tenant int not null,
    reader text not null,
    partition smallint not null,
    seq bigint not null,
    primary key (tenant, reader, partition),
    foreign key (tenant, reader) references bus.reader on delete cascade
) with (fillfactor = 50);

-- The last batch of telemetry that groups who keep have taken; null where none wants telemetry. iot.outbox keeps what comes after.
create or replace function bus.telemetry_taken() returns bigint language sql stable as $$
    select h.observations from bus.head h
     where h.tenant = twin.tenant()
       and exists (select from bus.reader r join iot.datastream d on d.tenant = r.tenant
                    where r.tenant = h.tenant and r.keeps
                      and replace(regexp_replace(d.topic, '/[^/]*$', ''), '/', '.') like any (r.topics))
$$;

do $$
declare
    name text;
begin
    foreach name in array array['posted', 'event', 'head', 'reader', 'position'] loop
        if not exists (select from pg_policies where schemaname = 'bus' and tablename = name) then
            execute format('alter table bus.%I enable row level security, force row level security', name);
            execute format('create policy own on bus.%I using (tenant = twin.tenant() and twin.role() in (''operator'', ''admin''))', name);
        end if;
    end loop;
    if not exists (select from pg_policies where schemaname = 'bus' and policyname = 'first') then
        create policy first on bus.head for insert to twin_owner with check (seq = 0);
    end if;
end $$;

grant select, insert, delete on bus.posted, bus.event to twin_app;
grant select, update on bus.head to twin_app;
grant select, insert, update, delete on bus.reader, bus.position to twin_app;

insert into bus.head (tenant) select id from twin.tenant on conflict do nothing;
