-- writes down the features of a layer, own tenant, that a scene cannot draw; reasons: scenes/layered.py
insert into scenes.problem (scene, fid, tenant, classification, id, reason)
select %(scene)s, fid, tenant, classification, id, reason
  from (select l.*, case when l.geom is null or st_isempty(l.geom) then 1
                         when not l.geom && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326) then 2
                         when st_dimension(l.geom) = 1 and st_length(l.geom) = 0 then 3
                         when st_dimension(l.geom) <> {dimension} then 4
                         else 0 end as reason
          from {layer} as l
         where ({condition}) and l.tenant = nullif(current_setting('twin.tenant', true), '')::int
           and (l.valid_to is null or l.valid_to > now())) as found
 where reason > 0
