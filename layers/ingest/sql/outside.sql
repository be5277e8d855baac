-- Rows set aside because they touch none of the polygons that bound the country, one row each.
with outside as (
    delete from {ready} r where not exists (select from {border} b where st_intersects(b.geom, r.geom)) returning r.*
)
insert into {refused} (ordinal, reason, row, geom_wkb)
select ordinal, %(reason)s, to_jsonb(outside) - 'geom' - 'digest' - 'ordinal', st_asbinary(geom) from outside returning 1
