-- Companions made before they held how far their vertices may move: null there, until they are made anew.
do $$
declare
    one record;
begin
    for one in select c.table_name from information_schema.columns c
                where c.table_schema = 'companion' and c.column_name = '_rank' loop
        execute format('alter table companion.%I add column if not exists _clearance real', one.table_name);
    end loop;
end $$;
