-- How many: writes into the overlay the words that a change set made or, going back, those that it took from it.
insert into twin.overlay as mine
    (scenario, layer, id, fid, tenant, classification, operation, version, geom, was, row, before, was_row, change_set)
select %(scenario)s, e.layer, e.id, o.fid, twin.tenant(), o.classification, o.operation, %(version)s,
       o.geom, o.was, o.row, o.before, o.was_row, coalesce(o.change_set, %(change_set)s)
  from twin.edit e
 cross join lateral jsonb_populate_record(null::twin.overlay, case when %(back)s then e.before else e.after end) o
 where e.change_set = %(change_set)s and o.operation is not null
on conflict (scenario, layer, id) do update
   set fid = excluded.fid, classification = excluded.classification, operation = excluded.operation,
       version = excluded.version, geom = excluded.geom, was = excluded.was, row = excluded.row, before = excluded.before,
       was_row = excluded.was_row, change_set = excluded.change_set
