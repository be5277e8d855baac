-- Moves of a branch, newest first: version, kind, change set, author, at, and of the change set its kind, author, note, operation, edits.
select m.version, m.kind, m.change_set, m.author, m.at, c.kind, c.author, c.note, c.operation, c.count
  from twin.move m join twin.change_set c on c.id = m.change_set
 where m.scenario = %(scenario)s and (%(before)s::bigint is null or m.version < %(before)s)
 order by m.version desc limit %(limit)s
