-- What a branch itself says, in the order of layer and id: layer, id, operation, geometries and rows new and old, change set, author, at.
select o.layer, o.id, o.operation, o.geom::text, o.was::text, o.row, o.was_row, o.change_set, c.author, c.at
  from twin.overlay o left join twin.change_set c on c.id = o.change_set
 where o.scenario = %(scenario)s and (%(layer)s::text is null or o.layer = %(layer)s)
   and (%(layer_after)s::text is null or (o.layer, o.id) > (%(layer_after)s, %(id_after)s))
   and (%(west)s::float8 is null or o.geom && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)
        or o.was && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326))
 order by o.layer, o.id limit %(limit)s
