-- Rows that say something else than before; they keep their fid.
update {layer} t
   set (geom, valid_from, valid_to, origin, source, classification, digest {fields})
     = (r.geom, coalesce(r.valid_from, t.valid_from), r.valid_to, r.origin, %(source)s, %(classification)s, r.digest {values})
  from {ready} r
 where t.tenant = %(tenant)s and t.id = r.id and t.source = any (%(mine)s)
   and (t.digest is distinct from r.digest or t.classification <> %(classification)s)
