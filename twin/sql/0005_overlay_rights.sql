-- A policy for all commands also lets its rows be read. Who writes in branches reads of them only what their rights allow.

drop policy write on twin.overlay;
create policy adds on twin.overlay for insert
    with check (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'));
create policy changes on twin.overlay for update
    using (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'))
    with check (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'));
create policy takes_back on twin.overlay for delete
    using (tenant = twin.tenant() and twin.role() in ('planner', 'approver', 'operator', 'admin'));
