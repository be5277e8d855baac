-- Nothing: the branch's figures of what it adds, modifies and removes, moved on by a change set or, going back, moved back.
update twin.scenario s
   set added = s.added + d.added, modified = s.modified + d.modified, removed = s.removed + d.removed
  from (select count(*) filter (where new = 'add') - count(*) filter (where old = 'add') as added,
               count(*) filter (where new = 'modify') - count(*) filter (where old = 'modify') as modified,
               count(*) filter (where new = 'remove') - count(*) filter (where old = 'remove') as removed
          from (select case when %(back)s then after else before end ->> 'operation' as old,
                       case when %(back)s then before else after end ->> 'operation' as new
                  from twin.edit where change_set = %(change_set)s) e) d
 where s.id = %(scenario)s
