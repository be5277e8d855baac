-- Long work that outlives a request: a queue of jobs with progress, and the records that let a figure be computed again.

create table twin.job (
    id bigint generated always as identity primary key,
    tenant int not null default twin.tenant() references twin.tenant,
    actor text not null default twin.actor(),
    role text not null default twin.role(),
    may_read text[] not null default string_to_array(current_setting('twin.may_read', true), ','),
    kind text not null,
    parameters jsonb not null default '{}',
    state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    cancel_asked boolean not null default false,
    progress real not null default 0 check (progress between 0 and 1),
    note text not null default '',
    attempt int not null default 0,
    most_attempts int not null default 3 check (most_attempts between 1 and 10),
    worker text,
    lease_until timestamptz,
    not_before timestamptz not null default now(),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    result jsonb,
    error text,
    remedy text
);
comment on column twin.job.attempt is 'how often it was taken; with the id it is what a worker proves itself by, so that one which lost its lease ends nothing';
create index job_open on twin.job (id) where state in ('queued', 'running');
create index job_of on twin.job (tenant, actor, id);

create table twin.job_file (
    job bigint not null references twin.job on delete cascade,
    name text not null,
    media_type text not null,
    body bytea not null,
    primary key (job, name)
);
alter table twin.job_file alter column body set storage external;

-- The canonical words of a record, by their sha256. A figure that anonymous asked for is public: its tenant is null.
create table twin.record (
    hash text not null check (hash ~ '^[0-9a-f]{64}$'),
    tenant int references twin.tenant default twin.tenant(),
    actor text not null default twin.actor(),
    at timestamptz not null default now(),
    record jsonb not null,
    result jsonb not null,
    unique nulls not distinct (tenant, hash)
);
create index record_by_hash on twin.record (hash);

alter table twin.job enable row level security;
alter table twin.job force row level security;
create policy own on twin.job for select
    using (tenant = twin.tenant() and (actor = twin.actor() or twin.role() in ('operator', 'admin')));
create policy asks on twin.job for insert
    with check (tenant = twin.tenant() and actor = twin.actor() and role = twin.role() and state = 'queued'
                and may_read <@ string_to_array(current_setting('twin.may_read', true), ','));
create policy cancels on twin.job for update
    using (tenant = twin.tenant() and (actor = twin.actor() or twin.role() in ('operator', 'admin')))
    with check (cancel_asked);
create policy works on twin.job to twin_owner using (current_user = 'twin_owner');
alter table twin.job_file enable row level security;
alter table twin.job_file force row level security;
create policy own on twin.job_file for select using (exists (select from twin.job j where j.id = job));
create policy works on twin.job_file to twin_owner using (current_user = 'twin_owner');
alter table twin.record enable row level security;
alter table twin.record force row level security;
create policy own on twin.record for select using (tenant is null or tenant = twin.tenant());
create policy keeps on twin.record for insert with check (tenant is not distinct from twin.tenant() and actor = twin.actor());
create policy tidies on twin.record to twin_owner using (current_user = 'twin_owner');

grant select, insert on twin.job to twin_app;
grant update (cancel_asked, state, ended_at) on twin.job to twin_app;
grant select on twin.job_file to twin_app;
grant select, insert on twin.record to twin_app;

create function twin.note_job() returns trigger language plpgsql as $$
begin
    perform pg_notify('twin_job', new.id::text);
    return null;
end $$;
create trigger job_asked after insert on twin.job for each row execute function twin.note_job();

-- What follows runs with its owner's rights over the jobs of every tenant, for workers alone.
create function twin.require_worker() returns void language plpgsql stable as $$
begin
    if twin.role() <> 'admin' then
        raise insufficient_privilege using message = 'jobs are taken by workers only';
    end if;
end $$;

-- The oldest job that waits, or whose worker is gone; no row where there is none. Jobs that cannot be tried again are ended first.
create function twin.take_job(kinds text[], by text, lease_s float8) returns setof twin.job language plpgsql security definer
    set search_path = pg_catalog, twin as $$
begin
    perform twin.require_worker();
    update twin.job set state = case when cancel_asked then 'cancelled' else 'failed' end, ended_at = clock_timestamp(), lease_until = null,
           error = case when cancel_asked then null else format('its worker ended without a word, %s times', attempt) end,
           remedy = case when cancel_asked then null else 'ask for less at once, or tell the operator: the log of the worker says more' end
     where id in (select id from twin.job where state = 'running' and lease_until < clock_timestamp()
                     and (attempt >= most_attempts or cancel_asked) for update skip locked);
    return query
    update twin.job j set state = 'running', worker = by, attempt = j.attempt + 1, progress = 0,
           note = '', started_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => lease_s)
     where j.id = (select w.id from twin.job w
                    where w.kind = any (kinds) and w.state in ('queued', 'running') and w.attempt < w.most_attempts
                      and (w.state = 'queued' and w.not_before <= clock_timestamp() or w.lease_until < clock_timestamp())
                    order by w.id limit 1 for update skip locked)
    returning j.*;
end $$;

-- Keeps a lease; null where it is lost, else whether the job shall end.
create function twin.beat_job(job bigint, of_attempt int, lease_s float8, so_far real, saying text) returns boolean
    language plpgsql security definer set search_path = pg_catalog, twin as $$
declare
    told boolean;
begin
    perform twin.require_worker();
    update twin.job j set lease_until = clock_timestamp() + make_interval(secs => lease_s), progress = so_far, note = saying
     where j.id = job and j.attempt = of_attempt and j.state = 'running' returning cancel_asked into told;
    return told;
end $$;

-- Ends an attempt; false where its lease was lost meanwhile. `outcome` queued: another attempt after `pause_s`, which costs one unless
-- `free` (a worker that is told to end gives its job back).
create function twin.end_job(job bigint, of_attempt int, outcome text, of_result jsonb, of_error text, of_remedy text,
                             pause_s float8, free boolean) returns boolean
    language plpgsql security definer set search_path = pg_catalog, twin as $$
begin
    perform twin.require_worker();
    update twin.job j set
           state = case when outcome = 'queued' and j.cancel_asked then 'cancelled'
                        when outcome = 'queued' and not free and j.attempt >= j.most_attempts then 'failed' else outcome end,
           attempt = case when free then j.attempt - 1 else j.attempt end,
           ended_at = case when outcome = 'queued' and not j.cancel_asked and (free or j.attempt < j.most_attempts) then null
                           else clock_timestamp() end,
           progress = case when outcome = 'done' then 1 else j.progress end,
           not_before = clock_timestamp() + make_interval(secs => pause_s),
           lease_until = null, worker = null, result = of_result, error = of_error, remedy = of_remedy
     where j.id = job and j.attempt = of_attempt and j.state = 'running';
    return found;
end $$;

create function twin.add_job_file(of_job bigint, of_attempt int, of_name text, of_type text, of_body bytea) returns boolean
    language plpgsql security definer set search_path = pg_catalog, twin as $$
begin
    perform twin.require_worker();
    insert into twin.job_file select j.id, of_name, of_type, of_body from twin.job j
     where j.id = of_job and j.attempt = of_attempt and j.state = 'running'
    on conflict (job, name) do update set media_type = excluded.media_type, body = excluded.body;
    return found;
end $$;

-- Drops ended jobs, and records of figures that anonymous asked for, older than `days`.
create function twin.tidy_jobs(days int) returns bigint language plpgsql security definer set search_path = pg_catalog, twin as $$
declare
    dropped bigint;
begin
    perform twin.require_worker();
    delete from twin.job where ended_at < now() - make_interval(days => days);
    get diagnostics dropped = row_count;
    delete from twin.record where tenant is null and at < now() - make_interval(days => days);
    return dropped;
end $$;

revoke execute on function twin.take_job(text[], text, float8), twin.beat_job(bigint, int, float8, real, text),
    twin.end_job(bigint, int, text, jsonb, text, text, float8, boolean), twin.add_job_file(bigint, int, text, text, bytea),
    twin.tidy_jobs(int) from public;
grant execute on function twin.take_job(text[], text, float8), twin.beat_job(bigint, int, float8, real, text),
    twin.end_job(bigint, int, text, jsonb, text, text, float8, boolean), twin.add_job_file(bigint, int, text, text, bytea),
    twin.tidy_jobs(int) to twin_app;
