-- The solid of a feature, as its file gave it (layers/solids.py). Run as twin_owner; may run again.
create table if not exists companion.solid (
    layer text not null,
    tenant int not null references twin.tenant,
    id text not null,
    source text not null,
    classification text not null,
    lod text not null,
    footprint uuid not null,
    height_m real,
    mesh bytea not null,
    primary key (layer, tenant, id)
);
comment on column companion.solid.footprint is 'md5 of the WKB of the feature''s geometry when the solid came';
alter table companion.solid alter column mesh set storage external;

do $$
declare
    own text := $c$tenant = nullif(current_setting('twin.tenant', true), '')::int$c$;
begin
    alter table companion.solid enable row level security;
    alter table companion.solid force row level security;
    drop policy if exists read on companion.solid;
    drop policy if exists write on companion.solid;
    execute format($p$create policy read on companion.solid for select using (classification = 'public' or (%s
        and classification = any (string_to_array(current_setting('twin.may_read', true), ','))))$p$, own);
    execute format('create policy write on companion.solid for all to twin_owner using (%s) with check (%s)', own, own);
    grant select on companion.solid to twin_app, twin_tiles;
end $$;
