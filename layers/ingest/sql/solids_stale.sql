-- Nothing: deletes the solids of a source that its file no longer has, and notes whose they were.
with gone as (
    delete from companion.solid s
     where s.layer = %(layer)s and s.tenant = twin.tenant() and s.source = %(source)s
       and not exists (select from pg_temp.new_solid n where n.id = s.id)
    returning s.id)
insert into pg_temp.solid_changed select id from gone
