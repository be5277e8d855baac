-- Many edits at once: what they refer to is looked for once a statement, not once a row, and their JSON is packed by the quicker way.
-- Both tables are written while the branch's row is locked, so that what was found stays.

alter table twin.edit drop constraint edit_change_set_fkey;
alter table twin.overlay drop constraint overlay_scenario_fkey;
alter table twin.edit alter column before set compression lz4, alter column after set compression lz4;
alter table twin.overlay alter column row set compression lz4, alter column was_row set compression lz4;

create function twin.has_change_set() returns trigger language plpgsql as $$
begin
    if exists (select from (select distinct change_set from new_rows) n
                where not exists (select from twin.change_set c where c.id = n.change_set)) then
        raise foreign_key_violation using message = 'an edit names a change set that is not there';
    end if;
    return null;
end $$;
create function twin.has_scenario() returns trigger language plpgsql as $$
begin
    if exists (select from (select distinct scenario from new_rows) n
                where not exists (select from twin.scenario s where s.id = n.scenario)) then
        raise foreign_key_violation using message = 'a word of an overlay names a scenario that is not there';
    end if;
    return null;
end $$;
create trigger edit_has_change_set after insert on twin.edit referencing new table as new_rows
    for each statement execute function twin.has_change_set();
create trigger overlay_has_scenario after insert on twin.overlay referencing new table as new_rows
    for each statement execute function twin.has_scenario();

create function twin.end_edits() returns trigger language plpgsql as $$
begin
    delete from twin.edit e using old_rows o where e.change_set = o.id;
    return null;
end $$;
create function twin.end_words() returns trigger language plpgsql as $$
begin
    delete from twin.overlay w using old_rows o where w.scenario = o.id;
    return null;
end $$;
create trigger change_set_ends after delete on twin.change_set referencing old table as old_rows
    for each statement execute function twin.end_edits();
create trigger scenario_ends after delete on twin.scenario referencing old table as old_rows
    for each statement execute function twin.end_words();
-- Who may end a branch may end what it says; the service may not.
create policy ends on twin.edit for delete to twin_owner using (current_user = 'twin_owner');
create policy ends on twin.overlay for delete to twin_owner using (current_user = 'twin_owner');
