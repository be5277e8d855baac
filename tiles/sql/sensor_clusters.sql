-- One point per cell with how many sensors it stands for; a mean only where all measure the same, bad values apart, and the worst quality.
(select tenant, classification, (array_agg(fid order by _rank desc, fid))[1] as fid, null::text as id, origin, min(valid_from) as valid_from,
        max(valid_to) as valid_to, max(_rank) as _rank, count(*)::int as _count, null::bigint as _cell, 'infinity'::real as _clearance,
        case when count(*) = 1 then min(station) end as station,
        case when min(phenomenon) = max(phenomenon) then min(phenomenon) end as phenomenon,
        case when min(phenomenon) = max(phenomenon) and min(unit) = max(unit) then min(unit) end as unit,
        case when min(phenomenon) = max(phenomenon) and min(unit) = max(unit)
             then avg(value) filter (where quality <> 'bad' or _alone) end as value,
        max(phenomenon_time) as phenomenon_time,
        case max(case quality when 'bad' then 3 when 'suspect' then 2 when 'good' then 1 end)
             when 3 then 'bad' when 2 then 'suspect' when 1 then 'good' end as quality,
        case when min(district) = max(district) then min(district) end as district,
        (array_agg(geom order by _rank desc, fid))[1] as geom, min(_place) as _place
   from (select s.*, count(*) over (partition by tenant, classification, origin, floor(st_x(geom) / {side}), floor(st_y(geom) / {side})) = 1 as _alone
           from {sensors} s) s
  group by tenant, classification, origin, floor(st_x(geom) / {side}), floor(st_y(geom) / {side}))
