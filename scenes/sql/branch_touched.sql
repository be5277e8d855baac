-- returns fid and operation of each building that a branch speaks of, and the cell where the base has it, null where it has none
select o.fid, o.operation, b.cell
  from twin.overlay_of(%(scenario)s, %(layer)s) o left join scenes.building b on b.fid = o.fid
 where twin.may_read(o.classification, o.tenant)
