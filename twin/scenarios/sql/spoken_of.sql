-- Features that either of two branches or their ancestors speak of, with the nearest change set: layer, id, change set, author, at.
select distinct on (o.layer, o.id) o.layer, o.id, o.change_set, c.author, c.at
  from (select scenario, depth from twin.lineage(%(scenario)s) union all
        select scenario, depth + 100 from twin.lineage(%(against)s)) l
  join twin.overlay o on o.scenario = l.scenario left join twin.change_set c on c.id = o.change_set
 where (%(layer)s::text is null or o.layer = %(layer)s)
   and (%(layer_after)s::text is null or (o.layer, o.id) > (%(layer_after)s, %(id_after)s))
   and (%(west)s::float8 is null or o.geom && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)
        or o.was && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326))
 order by o.layer, o.id, l.depth
