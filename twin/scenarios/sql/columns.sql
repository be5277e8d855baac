-- Columns of a layer's table and their types; nothing where the name is no layer's.
select a.attname, format_type(a.atttypid, a.atttypmod)
  from twin.layer l
  join pg_namespace n on n.nspname = %(sector)s
  join pg_class c on c.relnamespace = n.oid and c.relname = %(table)s and c.relkind in ('r', 'p')
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where l.name = %(layer)s order by a.attnum
