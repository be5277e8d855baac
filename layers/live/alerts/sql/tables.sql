-- Alerts' tables: rules with their versions, alerts, their events, what is still to be told to whom. Run as twin_owner, any number of times.

-- Every version of every rule; the newest of a name holds. A null definition: the rule was removed.
create table if not exists iot.alert_rule (
    tenant int not null references twin.tenant,
    name text not null check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    version int not null check (version > 0),
    definition jsonb,
    author text not null default twin.actor(),
    at timestamptz not null default clock_timestamp(),
    primary key (tenant, name, version)
);

-- `subject`: the sensor, district or area that the rule judged. Never two open ones of a rule and a subject. Degrees.
create table if not exists iot.alert (
    id bigint generated always as identity primary key,
    tenant int not null references twin.tenant,
    classification text not null,
    rule text not null,
    version int not null,
    subject text not null,
    title text not null,
    severity text not null check (severity in ('info', 'warning', 'critical')),
    state text not null default 'raised' check (state in ('raised', 'acknowledged', 'cleared')),
    message text not null,
    value float8,
    datastream int,
    sensor text,
    district text,
    lon float8,
    lat float8,
    people int,
    people_in text,
    since timestamptz not null,
    raised_at timestamptz not null default clock_timestamp(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    escalated_at timestamptz,
    cleared_at timestamptz,
    cleared_by text,
    seq bigint not null
);
comment on column iot.alert.people is 'who live in people_in by the census; null: not known, or fewer than are told';
comment on column iot.alert.seq is 'number of its newest event';
create unique index if not exists alert_open on iot.alert (tenant, rule, subject) where state <> 'cleared';
create index if not exists alert_newest on iot.alert (raised_at desc);
create index if not exists alert_seq on iot.alert (seq);

-- An alert as it is told: JSON.
create or replace function iot.alert_told(a iot.alert) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'id', a.id, 'seq', a.seq, 'rule', a.rule, 'title', a.title, 'severity', a.severity, 'state', a.state, 'subject', a.subject,
        'message', a.message, 'value', a.value, 'sensor', a.sensor, 'district', a.district, 'lon', a.lon, 'lat', a.lat,
        'people', a.people, 'people_in', a.people_in, 'since', a.since, 'raised_at', a.raised_at,
        'acknowledged_at', a.acknowledged_at, 'acknowledged_by', a.acknowledged_by, 'escalated_at', a.escalated_at,
        'cleared_at', a.cleared_at, 'cleared_by', a.cleared_by)
$$;

-- What happened to alerts, numbered without a gap in commit order (iot.alert_reader.event is the last). NOTIFY twin_alert wakes.
create table if not exists iot.alert_event (
    tenant int not null,
    seq bigint not null,
    alert bigint not null references iot.alert on delete cascade,
    event text not null check (event in ('raised', 'acknowledged', 'escalated', 'cleared')),
    at timestamptz not null default clock_timestamp(),
    by text not null default twin.actor(),
    classification text not null,
    primary key (tenant, seq)
);

-- How far alerts have read the outbox, and the number of the newest event. One process evaluates at a time: who holds it, until when.
create table if not exists iot.alert_reader (
    tenant int primary key references twin.tenant,
    seq bigint not null default 0,
    event bigint not null default 0,
    holder text not null default '',
    held_until timestamptz not null default '-infinity'
) with (fillfactor = 10);

-- What the engine knows of a subject between two batches, so that a restart neither forgets nor repeats.
create table if not exists iot.alert_state (
    tenant int not null references twin.tenant,
    rule text not null,
    version int not null,
    subject text not null,
    state jsonb not null,
    primary key (tenant, rule, subject)
) with (fillfactor = 50);

-- What is to be told outside, once per event and target. `dead`: given up; `dropped`: quiet hours or the cap said so.
create table if not exists iot.alert_delivery (
    id uuid primary key default gen_random_uuid(),
    tenant int not null references twin.tenant,
    rule text not null,
    alert bigint not null references iot.alert on delete cascade,
    seq bigint not null,
    channel text not null check (channel in ('mqtt', 'webhook', 'email')),
    target text not null,
    body jsonb not null,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'dead', 'dropped')),
    attempts int not null default 0,
    not_before timestamptz not null default clock_timestamp(),
    made_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    said text,
    unique (tenant, seq, channel, target)
);
create index if not exists alert_delivery_waiting on iot.alert_delivery (not_before) where state = 'waiting';
create index if not exists alert_delivery_rule on iot.alert_delivery (tenant, rule, made_at);

do $$
declare
    name text;
    operating constant text := $p$tenant = twin.tenant() and twin.role() in ('operator', 'admin')$p$;
begin
    foreach name in array array['alert_rule', 'alert', 'alert_event', 'alert_reader', 'alert_state', 'alert_delivery'] loop
        if exists (select from pg_policies where schemaname = 'iot' and tablename = name and policyname = 'write') then
            continue;
        end if;
        execute format('alter table iot.%I enable row level security, force row level security', name);
        execute format('create policy write on iot.%I for all using (%s) with check (%s)', name, operating, operating);
        if name in ('alert', 'alert_event') then
            execute format('create policy read on iot.%I for select using (twin.may_read(classification, tenant))', name);
        end if;
        if name = 'alert_reader' then
            create policy first on iot.alert_reader for insert to twin_owner with check (seq = 0 and event = 0);
            create policy read on iot.alert_reader for select using (true);
        end if;
    end loop;
end $$;

grant select on iot.alert, iot.alert_event, iot.alert_reader to twin_app, twin_tiles;
grant select on iot.alert_rule, iot.alert_state, iot.alert_delivery to twin_app;
grant insert on iot.alert_rule, iot.alert, iot.alert_event, iot.alert_state, iot.alert_delivery to twin_app;
grant update on iot.alert, iot.alert_reader, iot.alert_state, iot.alert_delivery to twin_app;
grant delete on iot.alert_state to twin_app;

insert into iot.alert_reader (tenant) select id from twin.tenant on conflict do nothing;
