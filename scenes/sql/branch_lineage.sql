-- returns number and version of a branch and its ancestors, nearest first, and from what the base's cells were made
select s.id, s.version, m.generation, m.change_id
  from twin.lineage(%(scenario)s) l
  join twin.scenario s on s.id = l.scenario
  left join companion.made m on m.output = 'scene' and m.layer = %(layer)s
 order by l.depth
