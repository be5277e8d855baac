-- The usual classification of a layer's features: the default of the column.
select trim(both '''' from split_part(pg_get_expr(d.adbin, d.adrelid), '::', 1))
  from pg_namespace n
  join pg_class c on c.relnamespace = n.oid and c.relname = %(table)s
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'classification'
  join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
 where n.nspname = %(sector)s
