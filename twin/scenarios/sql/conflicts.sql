-- Conflicts of a branch that stand, oldest first; `alone` names one, `open` leaves out those that are settled.
select id, layer, feature, field, cause, base, ours, theirs, ours_by, theirs_by, at, raised_in,
       case when settled then choice end, case when settled then value end, case when settled then resolved_by end,
       case when settled then resolved_at end
  from twin.conflict
 where scenario = %(scenario)s and applied and (%(alone)s::bigint is null or id = %(alone)s) and not (%(open)s and settled)
 order by id limit %(limit)s
