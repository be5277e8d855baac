-- The newest version of a rule and its definition. Writers of one rule wait for one another.
select r.version, r.definition
  from (select pg_advisory_xact_lock(hashtextextended('iot.alert_rule/' || %(name)s, 0))) held
 cross join lateral (select version, definition from iot.alert_rule
                      where tenant = twin.tenant() and name = %(name)s order by version desc limit 1) r
