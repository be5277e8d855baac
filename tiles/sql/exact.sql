-- Every feature of the layer with its whole geometry, in Hilbert order; long lines in pieces of at most 64 vertices, rings as MVT turns them.
insert into {target} (tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _count, _clearance, {fields} geom)
select f.tenant, f.classification, f.fid, f.id, f.origin, f.valid_from, f.valid_to, {rank}, 1,
       case st_dimension(p.geom) when 2 then st_minimumclearance(p.geom) else 'infinity' end, {fields} st_forcepolygoncw(p.geom)
  from (select b.*, st_transform(st_force2d(b.geom), 3857) as whole
          from {layer} b where b.geom is not null and not st_isempty(b.geom) and {touched}
        offset 0) f  -- kept apart: st_transform inside the lateral part would set PROJ up anew for every row
       cross join lateral {pieces} as p(geom)
 order by p.geom
