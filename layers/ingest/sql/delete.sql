-- Rows that the source no longer has; what a merged plan made of one stays.
delete from {layer} t
 where t.tenant = %(tenant)s and t.source = any (%(mine)s) and not exists (select from {ready} r where r.id = t.id)
   and not (t.origin = 'planned' and exists (
        select from twin.merge m join twin.overlay o on o.scenario = m.scenario and o.layer = %(layer)s and o.id = t.id
         where m.target is null and m.tenant = %(tenant)s))
