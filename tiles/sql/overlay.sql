-- A companion's rows as a branch has them: base rows it does not speak of, then what it adds or changes, by number. Binds the numbers of
-- the features near the tile of which it or an ancestor speaks; no other can be in the tile, of the base or of the branch.
-- Each number is looked up by itself (LATERAL, OFFSET): of a branch just written the statistics know nothing, and all its rows would be read.
-- OFFSET keeps the projection to one for each feature: else it is done again wherever the tile looks at the place.
(select tenant, classification, fid, id, origin, _rank, _count, _clearance, valid_from, valid_to, {fields} geom, ctid as _place
   from {companion}
  where fid is null or fid <> all ({near}::int[])
 union all
 select o.tenant, o.classification, o.fid, o.id, coalesce(o.row ->> 'origin', 'planned'), 3.4e38::real, 1, null::real,
        coalesce((o.row ->> 'valid_from')::timestamptz, '-infinity'), (o.row ->> 'valid_to')::timestamptz, {planned}
        o.flat, format('(%%s,1)', 2147483648 + o.fid)::tid
   from (select m.*, st_transform(st_force2d(m.geom), 3857) as flat
           from (select distinct on (n.id) n.* from unnest({near}::int[]) as f (fid)
                  cross join lateral (select * from twin.overlay v
                                       where v.scenario = any ({lineage}::bigint[]) and v.layer = {layer} and v.fid = f.fid offset 0) n
                  order by n.id, array_position({lineage}::bigint[], n.scenario)) m
          where m.operation <> 'remove' and m.geom is not null offset 0) o)
