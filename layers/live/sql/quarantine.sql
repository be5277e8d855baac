-- Keeps one refused message; the same message again counts up, its replay does not.
insert into iot.quarantine as held (tenant, topic, payload, reason, first_at, last_at, digest)
values (twin.tenant(), %s, %s, %s, %s, %s, %s)
on conflict (tenant, digest) do update
   set copies = held.copies + (excluded.last_at > held.first_at)::int, last_at = greatest(held.last_at, excluded.last_at),
       reason = excluded.reason
