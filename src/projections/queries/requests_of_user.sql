-- A user's own figures over everything that is kept; always one row.
--
-- since    only so far back a request may still run
-- reached  as in requests_stats_long.sql
--
-- errors, durations and sketch as in requests_stats_long.sql
with part as (
    select count, errors, answered, total_ms, sketch from request_rollup
    where grain = 3 and span = 3 and user_id = %(user)s
    union all
    select 1, (status in ('Failed', 'TimedOut', 'Interrupted'))::integer,
           (status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null)::integer,
           case when status in ('Completed', 'Failed', 'TimedOut') then coalesce(duration_ms, 0) else 0 end,
           case when status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null
                then int2send(duration_bin(duration_ms)) || int4send(1) else '' end
    from traffic
    where kind = 4 and user_id = %(user)s and position > %(reached)s
), figures as (
    select coalesce(sum(count), 0) as count, coalesce(sum(errors), 0) as errors, coalesce(sum(answered), 0) as answered,
           coalesce(sum(total_ms), 0) as total_ms, coalesce(string_agg(sketch, ''::bytea), '') as sketch
    from part
), running as (
    select count(*) as pending
    from traffic as start
    where kind = 3 and user_id = %(user)s and at >= %(since)s and not exists (
        select from traffic as done where done.request_id = start.request_id and done.kind = 4)
)
select (count + pending)::bigint as total_requests, pending as pending_requests,
       (select at from traffic where kind = 3 and user_id = %(user)s order by request_id desc limit 1)
           as last_request_time,
       total_ms / nullif(answered, 0)::float8 as average_response_time,
       sketch, coalesce(errors / nullif(count, 0), 0)::float8 as error_rate
from figures, running
