-- writes what cells hold of a scene, one row for each cell, tenant and classification
insert into scenes.cell
       (scene, cell, tenant, classification, level, x, y, count, vertices, problems, west, south, east, north, low, high, largest)
select %(scene)s, cell, tenant, (array['public', 'restricted', 'personal'])[classification + 1], level, x, y, count, vertices, 0,
       west, south, east, north, low, high, largest
  from unnest(%(cell)s::bigint[], %(tenant)s::int[], %(classification)s::int[], %(level)s::int[], %(x)s::int[], %(y)s::int[],
              %(count)s::int[], %(vertices)s::int[], %(west)s::float8[], %(south)s::float8[], %(east)s::float8[],
              %(north)s::float8[], %(low)s::real[], %(high)s::real[], %(largest)s::real[])
       as found(cell, tenant, classification, level, x, y, count, vertices, west, south, east, north, low, high, largest)
