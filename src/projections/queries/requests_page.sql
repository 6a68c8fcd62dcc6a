-- One page of requests, newest first; a start and its end make one row. One request is a page of one.
--
-- user, session, server, tool, method   exact, or null for any
-- status       a status of an end, or Pending: no end yet
-- latency      milliseconds it took at least
-- since, until half-open span of the time it came in; always given, they choose the days to read
-- low, high    ids from low to high, both included: the same span in the id's own time; before: below the last page's id
-- ending       how the id's hex ends, or null
-- failed_only  the status is that of an end other than Completed; said apart, so that the small index of those is used
-- is           error: what failed, and answers that report an error of the tool; tool_error: these alone; null for any
-- size         rows
select start.request_id, start.at as started_at, done.at as ended_at, coalesce(done.status, 'Pending') as status,
       start.user_id, start.key_id, start.session_id, start.server, start.tool, start.method, start.era, start.mode,
       start.view, start.client_name, start.client_version, start.credential_version, start.ledger_position,
       done.duration_ms, done.wait_ms, done.upstream_ms, start.bytes_in, done.bytes_out, done.error_code, done.reason,
       done.shown, done.filtered, done.left_out, start.node
from traffic as start
left join lateral (
    -- An end is never older than its start; the hour is for clocks that are set.
    select * from traffic as done
    where done.request_id = start.request_id and done.kind = 4 and done.at >= start.at - interval '1 hour'
    order by done.position
    limit 1
) as done on true
where start.kind = 3
  and start.at >= %(since)s and start.at < %(until)s
  and start.request_id >= %(low)s and start.request_id <= %(high)s
  and (%(before)s::uuid is null or start.request_id < %(before)s)
  and (%(ending)s::text is null or right(start.request_id::text, 12) = %(ending)s)
  and (%(user)s::text is null or start.user_id = %(user)s)
  and (%(session)s::uuid is null or start.session_id = %(session)s)
  and (%(server)s::text is null or start.server = %(server)s)
  and (%(tool)s::text is null or start.tool = %(tool)s)
  and (%(method)s::text is null or start.method = %(method)s)
  and (not %(failed_only)s or start.request_id in (
      select failed.request_id from traffic as failed
      where failed.kind = 4 and failed.status <> 'Completed' and failed.status = %(status)s
        and failed.request_id >= %(low)s and failed.request_id <= %(high)s
        and failed.at >= %(since)s - interval '1 hour'))
  and (%(is)s::text is null or start.request_id in (
      -- each half as one of the small indexes has it
      select failed.request_id from traffic as failed
      where %(is)s = 'error' and failed.kind = 4 and failed.status <> 'Completed'
        and failed.status in ('Failed', 'TimedOut', 'Interrupted')
        and failed.request_id >= %(low)s and failed.request_id <= %(high)s
        and failed.at >= %(since)s - interval '1 hour'
      union all
      select failed.request_id from traffic as failed
      where failed.kind = 4 and failed.reason = 'tool_error'
        and failed.request_id >= %(low)s and failed.request_id <= %(high)s
        and failed.at >= %(since)s - interval '1 hour'))
  and (%(status)s::text is null or coalesce(done.status, 'Pending') = %(status)s)
  and (%(latency)s::real is null or done.duration_ms >= %(latency)s)
order by start.request_id desc
limit %(size)s
