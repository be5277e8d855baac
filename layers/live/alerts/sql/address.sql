-- Puts an event before its targets. `quiet_until` holds it back; past `most` events of the rule in an hour it is dropped, and that is
-- kept. An end is told only where the beginning was, or will be.
insert into iot.alert_delivery (tenant, rule, alert, seq, channel, target, body, not_before, state, said)
select twin.tenant(), %(rule)s, %(alert)s, %(seq)s, t.channel, t.target, %(body)s,
       coalesce(%(quiet_until)s, clock_timestamp()), case when over.cap then 'dropped' else 'waiting' end,
       case when over.cap then 'over the cap of its rule for this hour' end
  from unnest(%(channels)s::text[], %(targets)s::text[]) as t (channel, target),
       (select %(event)s <> 'cleared' and count(distinct d.seq) >= %(most)s as cap from iot.alert_delivery d
         where d.tenant = twin.tenant() and d.rule = %(rule)s and d.state <> 'dropped'
           and d.made_at > clock_timestamp() - interval '1 hour') as over
 where %(event)s <> 'cleared'
    or exists (select from iot.alert_delivery d where d.alert = %(alert)s and d.channel = t.channel and d.target = t.target
                                                  and d.state in ('sent', 'waiting'))
on conflict (tenant, seq, channel, target) do nothing
