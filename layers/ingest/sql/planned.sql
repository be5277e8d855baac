-- Rows set aside because a plan that was merged into the base has spoken of the feature: it stands as planned, or was taken away.
with spoken as (
    select o.id, t.id is not null as stands
      from twin.merge m join twin.overlay o on o.scenario = m.scenario and o.layer = %(layer)s and o.tenant = %(tenant)s
      left join {layer} t on t.tenant = o.tenant and t.id = o.id
     where m.target is null and m.tenant = %(tenant)s and (t.origin = 'planned' or (t.id is null and o.operation = 'remove'))
     group by o.id, t.id
), taken as (
    delete from {ready} r using spoken s where s.id = r.id
    returning r.*, case when s.stands then 'a merged plan changed it: the planned feature stays'
                        else 'a merged plan removed it: it stays away' end as why
)
insert into {refused} (ordinal, reason, row, geom_wkb)
select ordinal, why, to_jsonb(taken) - 'geom' - 'digest' - 'ordinal' - 'why', st_asbinary(geom) from taken returning 1
