-- One point per cell: the first by rank, with the number of points it stands for.
with homed as (
    select f.*, {cell} as _home from {source} f where st_dimension(f.geom) = 0
), placed as (
    select h.*, row_number() over (partition by tenant, classification, origin, _home order by _rank desc, fid) as _place,
           count(*) over (partition by tenant, classification, origin, _home) as _members
      from homed h where {touched}
)
insert into {target} (tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _count, _cell, {fields} geom)
select tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _members, _home, {fields} geom
  from placed where _place = 1 order by geom
