-- Lines long enough to be seen, simplified one by one; of shorter ones that share a cell the network they draw, with their number.
-- Where a cell holds more line than it can show, its network is drawn of the first by rank.
with homed as materialized (
    select f.*, {cell} as _home, st_length(f.geom) as _size from {source} f where st_dimension(f.geom) = 1
), short as materialized (
    select h.*, sum(_size) over (partition by tenant, classification, origin, {kept} _home order by _rank desc, fid) - _size as _before
      from homed h where _size < {small} and {touched}
), small as materialized (
    select tenant, classification, origin, _home, {kept} count(*) as _members, min(fid) as _first, {averages} sum(_size) as _size,
           st_simplify(st_linemerge(st_unaryunion(st_collect(st_snaptogrid(geom, {snap})) filter (where _before < {ink}))), {tolerance}) as _network,
           st_makeline(st_makepoint(st_xmin(st_extent(geom)), st_ymin(st_extent(geom))),
                       st_makepoint(st_xmax(st_extent(geom)), st_ymax(st_extent(geom)))) as _reach
      from short group by tenant, classification, origin, {kept} _home
)
insert into {target} (tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _count, _cell, {fields} geom)
select tenant, classification, fid, id, origin, valid_from, valid_to, _rank, 1, _home, {fields} _shape
  from (select h.*, st_simplify(h.geom, {tolerance}, true) as _shape
          from homed h left join small s on s._first = h.fid and s._members = 1
         where (h._size >= {small} or s._first is not null) and {touched}) alone
 where _shape is not null and not st_isempty(_shape)
union all
select tenant, classification, null, null, origin, null, null, _size, _members, _home, {aggregates}
       case when st_length(_network) > 0 then _network else st_setsrid(_reach, 3857) end
  from small where _members > 1
 order by {last}
