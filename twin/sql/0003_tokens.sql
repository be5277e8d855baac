-- Tokens are made by the owner alone. The application asks about one hash at a time, and cannot make, raise or list tokens.

revoke select, insert, update on twin.token from twin_app;

-- Whom a bearer token or a cookie stands for; no row where it does not stand.
create function twin.holder(of_hash bytea, of_kind text) returns table (tenant int, actor text, role text)
    language sql stable security definer set search_path = pg_catalog, twin, pg_temp as $$
    select t.tenant, t.actor, t.role from twin.token t
     where t.hash = of_hash and t.kind = of_kind and t.kind in ('bearer', 'cookie')
       and t.expires_at > now() and t.revoked_at is null
$$;

-- Spends a login token for a cookie of the same actor and role; no row where the token does not stand.
create function twin.sign_in(login bytea, cookie bytea, seconds int) returns table (tenant int, actor text, role text)
    language sql volatile security definer set search_path = pg_catalog, twin, pg_temp as $$
    with spent as (
        update twin.token t set used_at = now()
         where t.hash = login and t.kind = 'login' and t.used_at is null and t.expires_at > now() and t.revoked_at is null
        returning t.tenant, t.actor, t.role)
    insert into twin.token (hash, tenant, actor, role, kind, expires_at)
    select cookie, s.tenant, s.actor, s.role, 'cookie', now() + make_interval(secs => least(seconds, 86400)) from spent s
    returning tenant, actor, role
$$;

-- Ends a token at once; whether there was one that stood. Who knows a token may end it.
create function twin.revoke_token(of_hash bytea) returns boolean
    language sql volatile security definer set search_path = pg_catalog, twin, pg_temp as $$
    with ended as (update twin.token set revoked_at = now() where hash = of_hash and revoked_at is null returning 1)
    select exists (select from ended)
$$;

revoke execute on function twin.holder(bytea, text), twin.sign_in(bytea, bytea, int), twin.revoke_token(bytea) from public;
grant execute on function twin.holder(bytea, text), twin.sign_in(bytea, bytea, int), twin.revoke_token(bytea) to twin_app;

-- A caller's temporary types and tables come last, never first, in what runs with its owner's rights.
alter function twin.advance() set search_path = pg_catalog, twin, public, pg_temp;
alter function twin.audit_break() set search_path = pg_catalog, twin, public, pg_temp;
alter function twin.next_fid(text) set search_path = pg_catalog, twin, pg_temp;
