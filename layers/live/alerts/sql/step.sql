-- An alert taken a step on (acknowledged, escalated, cleared) where it may be: its id, rule and the event's number; otherwise no row.
with locked as (
    select event from iot.alert_reader where tenant = twin.tenant() for update
), stood as (
    select a.id from iot.alert a, locked
     where a.tenant = twin.tenant() and a.id = %(alert)s
       and case %(event)s when 'acknowledged' then a.state = 'raised'
                          when 'escalated' then a.state = 'raised' and a.escalated_at is null
                          else a.state <> 'cleared' end
), numbered as (
    update iot.alert_reader r set event = r.event + 1 where r.tenant = twin.tenant() and exists (select from stood) returning event
), stepped as (
    update iot.alert a
       set seq = n.event,
           state = case %(event)s when 'escalated' then a.state else %(event)s end,
           acknowledged_at = case %(event)s when 'acknowledged' then clock_timestamp() else a.acknowledged_at end,
           acknowledged_by = case %(event)s when 'acknowledged' then twin.actor() else a.acknowledged_by end,
           escalated_at = case %(event)s when 'escalated' then clock_timestamp() else a.escalated_at end,
           cleared_at = case %(event)s when 'cleared' then clock_timestamp() else a.cleared_at end,
           cleared_by = case %(event)s when 'cleared' then twin.actor() else a.cleared_by end
      from numbered n, stood s where a.id = s.id
    returning a.id, a.rule, a.seq, a.classification
), noted as (
    insert into iot.alert_event (tenant, seq, alert, event, classification)
    select twin.tenant(), seq, id, %(event)s, classification from stepped
)
select id, rule, seq, pg_notify('twin_alert', seq::text) from stepped
