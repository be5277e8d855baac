-- Rights, row-level security and statistics of a companion that has been filled.
alter table {target} enable row level security;
alter table {target} force row level security;
create policy read on {target} for select using (
    classification = 'public' or (tenant = nullif(current_setting('twin.tenant', true), '')::int
    and classification = any (string_to_array(current_setting('twin.may_read', true), ','))));
create policy write on {target} for all to twin_owner using (true) with check (true);
grant select on {target} to twin_app, twin_tiles;
analyze {target};
