-- Rows set aside because another source of the layer has their id already, one row each.
with taken as (
    delete from {ready} r using {layer} t
     where t.tenant = %(tenant)s and t.id = r.id and t.source <> all (%(mine)s)
    returning r.*, t.source as held_by
)
insert into {refused} (ordinal, reason, row, geom_wkb)
select ordinal, format('its id %%s belongs to source %%s', id, (select name from twin.source where twin.source.id = held_by)),
       to_jsonb(taken) - 'geom' - 'digest' - 'ordinal' - 'held_by', st_asbinary(geom)
  from taken returning 1
