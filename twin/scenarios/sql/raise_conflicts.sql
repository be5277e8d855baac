-- Numbers of new conflicts, given as JSON.
insert into twin.conflict (tenant, scenario, layer, feature, classification, field, cause, base, ours, theirs, ours_by, theirs_by, raised_in)
select twin.tenant(), %(scenario)s, c.layer, c.feature, c.classification, c.field, %(cause)s, c.base, c.ours, c.theirs,
       c.ours_by, c.theirs_by, %(change_set)s
  from jsonb_to_recordset(%(conflicts)s) as c(layer text, feature text, classification text, field text, base jsonb, ours jsonb,
       theirs jsonb, ours_by text, theirs_by text)
returning id
