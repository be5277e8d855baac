-- Nothing: touches rows whose solid changed and which this load did not write itself.
update {layer} t set digest = t.digest
 where t.tenant = twin.tenant() and t.id in (select id from pg_temp.solid_changed) and t.source <> %(loaded)s
