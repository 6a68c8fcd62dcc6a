-- Figures that are many and asked for rarely: those of each user's tools are kept by the day alone, and those of each user
-- by the hour as long as somebody looks at them that closely; the index of servers holds those of tools, not of each user's.
delete from request_rollup where grain = 4 and span = 3;
drop index request_rollup_server;
create index request_rollup_tool on request_rollup (server, tool, span, at) where grain = 2;

-- rollup_forget: what nobody looks at that closely any more; the coarser figures of the same requests stay.
drop function rollup_forget_minutes();
create function rollup_forget() returns void
language sql security definer set search_path = public, pg_temp
as $$
    delete from request_rollup where grain = 1 and span = 0 and at < now() - interval '3 days';
    delete from request_rollup where grain = 3 and span = 1 and at < now() - interval '100 days';
$$;
revoke execute on function rollup_forget from public;
grant execute on function rollup_forget to mcphub_app;
