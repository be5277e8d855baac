-- Features that moved on since a version: id, the branch's word on it as of that version, who moved it last.
select e.id, (array_agg(case when m.kind = 'undo' then e.after else e.before end order by m.version))[1],
       (array_agg(m.author order by m.version desc))[1]
  from twin.move m join twin.edit e on e.change_set = m.change_set
 where m.scenario = %(scenario)s and m.version > %(seen)s and e.layer = %(layer)s and e.id = any(%(ids)s)
 group by e.id
