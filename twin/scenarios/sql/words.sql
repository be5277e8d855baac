-- What a branch (depth 0) and its ancestors say of some features, farthest first.
select o.id, l.depth, o.fid, o.classification, o.operation, o.geom::text, o.was::text, o.row, o.before::text, o.was_row, o.change_set
  from twin.lineage(%(scenario)s) l join twin.overlay o on o.scenario = l.scenario
 where o.layer = %(layer)s and o.id = any(%(ids)s) order by l.depth desc
