-- The hash of what a branch itself says, in the order of layer and id, or null: operation, geometry, fields that hold a value.
select encode(sha256(string_agg(sha256(convert_to(
           o.operation || E'\t' || o.layer || E'\t' || o.id || E'\t' || coalesce(encode(st_asbinary(o.geom), 'hex'), '')
           || E'\t' || coalesce(jsonb_strip_nulls(o.row - %(reserved)s::text[])::text, ''), 'UTF8')),
           '' order by o.layer collate "C", o.id collate "C")), 'hex')
  from twin.overlay o where o.scenario = %(scenario)s
