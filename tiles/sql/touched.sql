-- Where a branch or an ancestor differs from the base: layer, west, south, east, north in degrees, old and new place together.
select layer, st_xmin(box), st_ymin(box), st_xmax(box), st_ymax(box)
  from (select o.layer, st_collect(st_envelope(o.geom), st_envelope(o.was)) as box
          from twin.lineage(%(scenario)s) l join twin.overlay o on o.scenario = l.scenario) boxes
 where box is not null
