-- Polygons large enough to be seen, simplified one by one; of smaller ones that share a cell its square, with their number.
with homed as materialized (
    select f.*, {cell} as _home, st_area(f.geom) as _size,
           floor((st_xmin(f.geom) + st_xmax(f.geom)) / 2 / {side}) * {side} as _west,
           floor((st_ymin(f.geom) + st_ymax(f.geom)) / 2 / {side}) * {side} as _south
      from {source} f where st_dimension(f.geom) = 2
), small as materialized (
    select tenant, classification, origin, _home, {kept} count(*) as _members, min(fid) as _first, {averages} sum(_size) as _size,
           st_makeenvelope(_west, _south, _west + {side}, _south + {side}, 3857) as _square
      from homed h where _size < {small} and {touched} group by tenant, classification, origin, {kept} _home, _west, _south
)
insert into {target} (tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _count, _cell, {fields} geom)
select tenant, classification, fid, id, origin, valid_from, valid_to, _rank, 1, _home, {fields} _shape
  from (select h.*, st_simplify(h.geom, {tolerance}, true) as _shape
          from homed h left join small s on s._first = h.fid and s._members = 1
         where (h._size >= {small} or s._first is not null) and {touched}) alone
 where _shape is not null and not st_isempty(_shape)
union all
select tenant, classification, null, null, origin, null, null, _size, _members, _home, {aggregates} _square
  from small where _members > 1
 order by {last}
