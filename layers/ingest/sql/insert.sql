-- Rows that are new, in the order they lie in; the layer's own sequence gives the fid. A first load need not look for old ones.
insert into {layer} (tenant, id, geom, valid_from, valid_to, origin, source, classification, digest {fields})
select %(tenant)s, r.id, r.geom, coalesce(r.valid_from, now()), r.valid_to, r.origin, %(source)s, %(classification)s, r.digest {values}
  from {ready} r
 where %(first)s or not exists (select from {layer} t where t.tenant = %(tenant)s and t.id = r.id)
