-- A change is numbered as soon as it is committed. The number itself is the order: whoever follows it misses nothing, since what commits
-- later is numbered later. Only the audit's links, which go by transaction, wait for the oldest transaction that still writes.

create or replace function twin.advance() returns bigint language plpgsql security definer
    set search_path = pg_catalog, twin, public, pg_temp set timezone = 'UTC' as $$
declare
    horizon xid8;
    last twin.reader;
    numbered bigint := 0;
    linked bigint := 0;
    row record;
    link bytea;
begin
    if not pg_try_advisory_xact_lock(hashtext('twin.advance')) then
        return null;
    end if;
    select * into last from twin.reader;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    with waiting as (
        select id, row_number() over (order by xid, id) as n from twin.change where seq is null
    )
    update twin.change c set seq = last.change_seq + w.n from waiting w where c.id = w.id;
    get diagnostics numbered = row_count;
    link := last.audit_hash;
    for row in
        select a.* from twin.audit a
         where (a.xid, a.id) > (last.audit_xid, last.audit_id) and a.xid < horizon order by a.xid, a.id
    loop
        linked := linked + 1;
        insert into twin.audit_link values (
            last.audit_seq + linked, row.id, link,
            sha256(link || convert_to(to_jsonb(row)::text, 'UTF8')))
        returning hash into link;
        last.audit_xid := row.xid;
        last.audit_id := row.id;
    end loop;
    if numbered + linked > 0 then
        update twin.reader set change_seq = last.change_seq + numbered, audit_seq = last.audit_seq + linked,
               audit_hash = link, audit_xid = last.audit_xid, audit_id = last.audit_id;
        if numbered > 0 then
            notify twin_numbered;
        end if;
    end if;
    return last.change_seq + numbered;
end $$;
