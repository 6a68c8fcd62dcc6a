-- Adds the requests that ended between two positions of the traffic to the figures: as rows that are added up
-- (request_rollup) and packed by the hour (request_hour, 0023_packed_requests.sql).
--
-- after, upto  positions; the first is not taken, the second is. Users and tools have their numbers already.
--
-- errors and durations as in requests_stats.sql
with ended as (
    select at, coalesce(user_id, '') as user_id, coalesce(server, '') as server, coalesce(tool, '') as tool,
           coalesce(method, '') as method,
           case when status in ('Failed', 'TimedOut', 'Interrupted') then 1 when status = 'Denied' then 2
                when status = 'Cancelled' then 4 else 0 end
           + case when reason = 'tool_error' then 8 else 0 end as outcome,
           case when status in ('Completed', 'Failed', 'TimedOut') then duration_ms end as ms
    from traffic
    where kind = 4 and position > %(after)s and position <= %(upto)s
), classed as materialized (
    -- First by hour, user, tool, outcome and duration: all but the minutes is made from these.
    select date_trunc('hour', at, 'UTC') as hour, user_id, server, tool, method, outcome, duration_bin(ms) as bin,
           count(*) as count, count(ms) as answered, coalesce(sum(ms::float8), 0) as total_ms
    from ended
    group by 1, 2, 3, 4, 5, 6, 7
), packed as materialized (
    select hour, who.number as who, server_part(server) as server_part,
           packed_request(who.number, what.number, outcome, bin, count, total_ms) as entry
    from classed
    join request_user as who using (user_id)
    join request_tool as what using (server, tool, method)
), hours as (
    insert into request_hour as old (by, part, at, entries)
    select 1, server_part, hour, string_agg(entry, ''::bytea) from packed group by 2, 3
    union all
    select 2, who & 63, hour, string_agg(entry, ''::bytea) from packed group by 2, 3
    on conflict (by, part, at) do update set entries = old.entries || excluded.entries
), minutes as (
    select date_trunc('minute', at, 'UTC') as minute, outcome, duration_bin(ms) as bin, count(*) as count,
           count(ms) as answered, coalesce(sum(ms::float8), 0) as total_ms
    from ended
    where at >= now() - interval '3 days'
    group by 1, 2, 3
), tool_hours as materialized (
    select hour, server, tool, method, outcome, bin,
           sum(count) as count, sum(answered) as answered, sum(total_ms) as total_ms
    from classed group by 1, 2, 3, 4, 5, 6
), user_days as materialized (
    select date_trunc('day', hour, 'UTC') as day, user_id, method, outcome, bin,
           sum(count) as count, sum(answered) as answered, sum(total_ms) as total_ms
    from classed group by 1, 2, 3, 4, 5
), kept as (
    select 1 as grain, span, date_trunc(unit, hour, 'UTC') as at, '' as user_id, '' as server, '' as tool, '' as method,
           outcome, bin, sum(count) as count, sum(answered) as answered, sum(total_ms) as total_ms
    from tool_hours, (values (1, 'hour'), (2, 'day'), (3, 'week')) as spans(span, unit)
    group by 2, 3, 8, 9
    union all
    select 2, 1, hour, '', server, tool, method, outcome, bin, count, answered, total_ms from tool_hours
    union all
    select 2, span, date_trunc(unit, hour, 'UTC'), '', server, tool, method, outcome, bin,
           sum(count), sum(answered), sum(total_ms)
    from tool_hours, (values (2, 'day'), (3, 'week')) as spans(span, unit)
    group by 2, 3, 5, 6, 7, 8, 9
    union all
    select 3, span, date_trunc(unit, day, 'UTC'), user_id, '', '', '', outcome, bin,
           sum(count), sum(answered), sum(total_ms)
    from user_days, (values (2, 'day'), (3, 'week')) as spans(span, unit)
    group by 2, 3, 4, 8, 9
    union all
    select 4, 2, day, user_id, '', '', method, outcome, bin, count, answered, total_ms from user_days
    union all
    select 4, 3, date_trunc('week', day, 'UTC'), user_id, '', '', method, outcome, bin,
           sum(count), sum(answered), sum(total_ms)
    from user_days group by 3, 4, 7, 8, 9
    union all
    select 1, 0, minute, '', '', '', '', outcome, bin, count, answered, total_ms
    from minutes
)
insert into request_rollup as old (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled,
                                   tool_errors, answered, total_ms, sketch)
select grain, span, at, user_id, server, tool, method, sum(count),
       coalesce(sum(count) filter (where outcome & 1 > 0), 0), coalesce(sum(count) filter (where outcome & 2 > 0), 0),
       coalesce(sum(count) filter (where outcome & 4 > 0), 0), coalesce(sum(count) filter (where outcome & 8 > 0), 0),
       sum(answered), sum(total_ms),
       coalesce(string_agg(int2send(bin) || int4send(answered::integer), ''::bytea order by bin)
                filter (where bin is not null), '')
from kept
group by 1, 2, 3, 4, 5, 6, 7
order by 1, 2, 3, 4, 5, 6, 7  -- two hubs in the same order
on conflict (grain, span, at, user_id, server, tool, method) do update set
    count = old.count + excluded.count, errors = old.errors + excluded.errors,
    denied = old.denied + excluded.denied, cancelled = old.cancelled + excluded.cancelled,
    tool_errors = old.tool_errors + excluded.tool_errors, answered = old.answered + excluded.answered,
    total_ms = old.total_ms + excluded.total_ms,
    sketch = sketch_merged(old.sketch || excluded.sketch)
