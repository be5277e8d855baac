-- What a branch or an ancestor speaks of: layer, fid, west, south, east, north in degrees, its places in each of them together.
select o.layer, o.fid, min(least(st_xmin(o.geom), st_xmin(o.was))), min(least(st_ymin(o.geom), st_ymin(o.was))),
       max(greatest(st_xmax(o.geom), st_xmax(o.was))), max(greatest(st_ymax(o.geom), st_ymax(o.was)))
  from twin.lineage(%(scenario)s) l join twin.overlay o on o.scenario = l.scenario
 group by o.layer, o.fid
