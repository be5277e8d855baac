-- What quiet hours held back of an alert that ended meanwhile is not told any more.
update iot.alert_delivery set state = 'dropped', ended_at = clock_timestamp(), said = 'cleared before quiet hours were over'
 where tenant = twin.tenant() and alert = %(alert)s and state = 'waiting' and attempts = 0 and not_before > clock_timestamp()
