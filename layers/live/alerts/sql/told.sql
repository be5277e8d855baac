-- One alert as it is told: JSON.
select iot.alert_told(a) from iot.alert a where a.id = %(alert)s
