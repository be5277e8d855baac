-- A new version of a rule as it is stored; no row where it was there already.
insert into iot.alert_rule (tenant, name, version, definition) values (twin.tenant(), %(name)s, %(version)s, %(definition)s)
on conflict do nothing returning name, version, definition, author, at
