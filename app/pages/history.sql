-- What branches did to one feature, the oldest first: when, who, the branch and its state, operation, when it was merged.
select coalesce(c.at, s.changed_at) as at, c.author, s.name, s.id as scenario, s.state, o.operation, s.merged_at
  from twin.overlay o
  join twin.scenario s on s.id = o.scenario
  left join twin.change_set c on c.id = o.change_set
 where o.layer = %(layer)s and o.id = %(id)s
 order by 1
 limit %(most)s
