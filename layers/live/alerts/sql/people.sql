-- Behind area.sql. One row: how many people live where, by the census of whole sectors: in the district, or else in the sectors that the polygon or
-- the codes touch, or else in the sector of the point (degrees); what was counted; a point in it.
, counted as (
    select p.name, p.people, p.district, p.geom
      from migration.population p
     where case %(per)s
           when 'district' then p.district = %(district)s
           when 'area' then p.geom && (select geom from area) and st_intersects(p.geom, (select geom from area))
                            and not st_touches(p.geom, (select geom from area))
           else p.geom && st_setsrid(st_makepoint(%(lon)s, %(lat)s), 4326)
                and st_covers(p.geom, st_setsrid(st_makepoint(%(lon)s, %(lat)s), 4326)) end
)
select sum(people)::int,
       case when %(per)s = 'district' then 'the district ' || %(district)s
            when count(*) = 1 then 'the sector ' || min(name) || coalesce(', ' || min(district), '')
            else count(*) || ' sectors' end,
       st_x(st_pointonsurface(st_collect(geom))), st_y(st_pointonsurface(st_collect(geom)))
  from counted
