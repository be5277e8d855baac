-- Features of the source that stand as a merged plan left them, though its file has them no more: kept, and told of with the refused rows.
insert into {refused} (ordinal, reason, row, geom_wkb)
select 0, 'a merged plan changed it, and the source has it no more: the planned feature stays', to_jsonb(t) - 'geom' - 'digest', st_asbinary(t.geom)
  from {layer} t
 where t.tenant = %(tenant)s and t.source = any (%(mine)s) and t.origin = 'planned'
   and exists (select from twin.merge m join twin.overlay o on o.scenario = m.scenario and o.layer = %(layer)s and o.id = t.id
                where m.target is null and m.tenant = %(tenant)s)
   and not exists (select from {ready} r where r.id = t.id) and not exists (select from {refused} q where q.row ->> 'id' = t.id)
returning 1
