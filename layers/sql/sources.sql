-- The last load of each source of each layer, as far as the actor may read it.
select distinct on (layer, name)
       id, layer, name, licence, attribution, origin, retrieved_at, loaded_at, sha256,
       rows_read, rows_loaded, rows_repaired, rows_quarantined, remarks
  from twin.source
 order by layer, name, id desc
