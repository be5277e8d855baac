-- The id and number of a new alert; no row where one stands already.
with numbered as (
    update iot.alert_reader set event = event + 1
     where tenant = twin.tenant()
       and not exists (select from iot.alert where tenant = twin.tenant() and rule = %(rule)s and subject = %(subject)s and state <> 'cleared')
    returning event
), made as (
    insert into iot.alert (tenant, classification, rule, version, subject, title, severity, message, value, datastream, sensor, district,
                           lon, lat, people, people_in, since, seq)
    select twin.tenant(), %(classification)s, %(rule)s, %(version)s, %(subject)s, %(title)s, %(severity)s, %(message)s, %(value)s,
           %(datastream)s, %(sensor)s, %(district)s, %(lon)s, %(lat)s, %(people)s, %(people_in)s, %(since)s, event
      from numbered
    returning id, seq, classification
), noted as (
    insert into iot.alert_event (tenant, seq, alert, event, classification)
    select twin.tenant(), seq, id, 'raised', classification from made
)
select id, seq, pg_notify('twin_alert', seq::text) from made
