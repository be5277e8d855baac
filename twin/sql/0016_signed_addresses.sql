-- Signed addresses: a token's public name, and the key that its holder signs with. Neither tells the token or its hash.

create index token_url_id on twin.token (substring(sha256('twin:url-id:'::bytea || hash) for 9)) where kind = 'bearer';

-- The key and the holder of the token with this name; no row where none stands.
create function twin.signer(of_id bytea) returns table (key bytea, tenant int, actor text, role text)
    language sql stable security definer set search_path = pg_catalog, twin, pg_temp as $$
    select sha256('twin:url-key:'::bytea || t.hash), t.tenant, t.actor, t.role from twin.token t
     where substring(sha256('twin:url-id:'::bytea || t.hash) for 9) = of_id and t.kind = 'bearer'
       and t.expires_at > now() and t.revoked_at is null
$$;

revoke execute on function twin.signer(bytea) from public;
grant execute on function twin.signer(bytea) to twin_app;
