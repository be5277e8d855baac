-- What begins a query about an area: the union of units by their national codes and of a polygon (GeoJSON, degrees); null for neither.
with area as (
    select st_union(geom) as geom from (
        select geom from land.provinces where id = any(%(units)s)
        union all select geom from land.districts where id = any(%(units)s)
        union all select geom from land.sectors where id = any(%(units)s)
        union all select geom from land.cells where id = any(%(units)s)
        union all select geom from land.villages where id = any(%(units)s)
        union all select st_geomfromgeojson(%(polygon)s)) part
)
