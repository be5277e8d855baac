-- A companion's rows as a branch has them: base rows it does not speak of, then what it adds or changes.
(select tenant, classification, fid, id, origin, _rank, _count, _clearance, valid_from, valid_to, {fields} geom, ctid as _place
   from {companion}
  where fid is null or fid not in (select o.fid from twin.overlay_of({scenario}, {layer}) o)
 union all
 select o.tenant, o.classification, o.fid, o.id, coalesce(o.row ->> 'origin', 'planned'), 3.4e38::real, 1, null::real,
        coalesce((o.row ->> 'valid_from')::timestamptz, '-infinity'), (o.row ->> 'valid_to')::timestamptz, {planned}
        st_transform(st_force2d(o.geom), 3857), '(4294967294,1)'::tid
   from twin.overlay_of({scenario}, {layer}) o where o.operation <> 'remove' and o.geom is not null)
