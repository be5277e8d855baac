-- puts the buildings of layer_rows.sql into scenes.building with the cell that `placed` gives them
insert into scenes.building
       (fid, tenant, classification, id, digest, cell, place, reason, roof, storeys, use, origin,
        height_m, height_se_m, roof_height_m, ground_m, ground_max_m, shape, solid)
select b.fid, b.tenant, b.class, b.id, b.digest, p.cell, p.place, p.reason, b.roof, b.storeys, b.use, b.origin,
       nullif(b.height_m, 'NaN'), nullif(b.height_se_m, 'NaN'), nullif(b.roof_height_m, 'NaN'),
       nullif(p.ground_m, 'NaN'), nullif(p.ground_max_m, 'NaN'), b.shape, nullif(b.solid, '')
  from ({rows}) b join {placed} p using (fid)
 order by p.cell, p.place, b.fid
