-- returns the features of a layer that a scene draws: fid, id, origin, tenant, classification, depth, WKB, then the scene's own columns
select l.fid, l.id, l.origin, l.tenant, l.classification, ({depth})::int as depth, st_asbinary({shape}, 'NDR') {columns}
  from {relation} as l
 where ({condition}) and (l.valid_to is null or l.valid_to > now()) and l.geom is not null and ({where})
 order by l.fid
 {limit}
