-- returns fid and cell of buildings in the cells near the change that their layer no longer has
select b.fid, b.cell from scenes.building b
 where b.cell = any (%(near)s::bigint[])
   and not exists (select from {layer} l where l.fid = b.fid and (l.valid_to is null or l.valid_to > now()))
