-- As requests_stats.sql, for long spans: whole units of time from the figures that are kept (rollups_add.sql), the rest from
-- the rows. Instead of percentiles it answers with sketches (0018_sketches.sql), to be added up and looked into: of what is
-- in the span, and of what is to be taken away again.
--
-- grain                which figures: those that tell apart what is asked for, and no more
-- spans, lows, highs, signs
--                      the pieces that kept figures answer: which unit, from, to, and 1 or -1 for what is added or taken
--                      away
-- froms, uptos, pluses the same of the ends, which are finer than any unit and read from the rows
-- since, until         the span; what came in it after the figures were made is read from the rows
-- reached              up to which position of the traffic they were, in the same snapshot; as a value, not as a
--                      subquery, so that the plan looks for the few rows behind it instead of reading every day
-- users                of these alone; null for all
-- everything else      as in requests_stats.sql
with part as (
    select kept.*, piece.sign
    from unnest(%(spans)s::smallint[], %(lows)s::timestamptz[], %(highs)s::timestamptz[], %(signs)s::integer[])
        as piece(span, low, high, sign)
    cross join lateral (
        select user_id, server, tool, at, count, errors, denied, cancelled, tool_errors, answered, total_ms, sketch
        from request_rollup
        where grain = %(grain)s and span = piece.span and at >= piece.low and at < piece.high
          and (%(user)s::text is null or user_id = %(user)s)
          and (%(server)s::text is null or server = %(server)s)
          and (%(tool)s::text is null or tool = %(tool)s)
          and (%(method)s::text is null or method = %(method)s)
          and (%(users)s::text[] is null or user_id = any(%(users)s))
        offset 0  -- each piece by an index: as a join all figures of the grain would be read
    ) as kept
    union all
    select coalesce(user_id, ''), coalesce(server, ''), coalesce(tool, ''), at, 1,
           (status in ('Failed', 'TimedOut', 'Interrupted'))::integer, (status = 'Denied')::integer,
           (status = 'Cancelled')::integer, coalesce(reason = 'tool_error', false)::integer,
           (status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null)::integer,
           case when status in ('Completed', 'Failed', 'TimedOut') then coalesce(duration_ms, 0) else 0 end,
           case when status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null
                then int2send(duration_bin(duration_ms)) || int4send(1) else '' end,
           sign
    from (
        select found.*, finer.sign
        from unnest(%(froms)s::timestamptz[], %(uptos)s::timestamptz[], %(pluses)s::integer[]) as finer(low, high, sign)
        cross join lateral (
            select * from traffic
            where kind = 4 and at >= finer.low and at < finer.high and position <= %(reached)s
            offset 0
        ) as found
        union all
        select *, 1 from traffic
        where kind = 4 and at >= %(since)s and at < %(until)s
          and position > %(reached)s
    ) as rest
    where (%(user)s::text is null or user_id = %(user)s)
      and (%(server)s::text is null or server = %(server)s)
      and (%(tool)s::text is null or tool = %(tool)s)
      and (%(method)s::text is null or method = %(method)s)
      and (%(users)s::text[] is null or user_id = any(%(users)s))
)
select case when %(by)s = 'user' then user_id else '' end as "user",
       case when %(by)s in ('server', 'tool') then server else '' end as server,
       case when %(by)s = 'tool' then tool else '' end as tool,
       case when %(by)s = 'time' then date_bin(%(bucket)s::interval, at, timestamptz '2001-01-01 00:00:00+00')
            else timestamptz 'epoch' end as at,
       sum(sign * count)::bigint as count, sum(sign * errors)::bigint as errors, sum(sign * denied)::bigint as denied,
       sum(sign * cancelled)::bigint as cancelled, sum(sign * tool_errors)::bigint as tool_errors,
       sum(sign * answered)::bigint as answered, sum(sign * total_ms) as total_ms,
       coalesce(string_agg(sketch, ''::bytea) filter (where sign > 0), '') as sketch,
       coalesce(string_agg(sketch, ''::bytea) filter (where sign < 0), '') as taken_away
from part
group by 1, 2, 3, 4
