-- Nothing: stores the solids of rows that entered the layer, and notes those that say something else than before.
with stored as (
    insert into companion.solid as s (layer, tenant, id, source, classification, lod, footprint, height_m, mesh)
    select %(layer)s, t.tenant, t.id, %(source)s, t.classification, n.lod, md5(st_asbinary(t.geom, 'NDR'))::uuid, t.height_m, n.mesh
      from pg_temp.new_solid n join {layer} t on t.tenant = twin.tenant() and t.id = n.id
    on conflict (layer, tenant, id) do update
       set source = excluded.source, classification = excluded.classification, lod = excluded.lod, footprint = excluded.footprint,
           height_m = excluded.height_m, mesh = excluded.mesh
     where (s.source, s.classification, s.footprint, s.height_m, s.mesh)
           is distinct from (excluded.source, excluded.classification, excluded.footprint, excluded.height_m, excluded.mesh)
    returning s.id)
insert into pg_temp.solid_changed select id from stored
