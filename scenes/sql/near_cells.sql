-- returns the keys of cells whose content comes near any of the boxes (degrees)
select distinct cell
  from scenes.cell c
  join unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) as b(west, south, east, north)
    on c.west <= b.east and c.east >= b.west and c.south <= b.north and c.north >= b.south
 where c.scene = %(scene)s
