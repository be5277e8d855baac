-- Rows that the source no longer has.
delete from {layer} t
 where t.tenant = %(tenant)s and t.source = any (%(mine)s) and not exists (select from {ready} r where r.id = t.id)
