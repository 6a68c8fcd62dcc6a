-- Calls that were let through, counted by who called what in which way; the most frequent first.
--
-- since, until half-open span of the time they came in
-- methods      which
-- size         rows
select start.user_id, start.key_id, start.server, start.tool, start.method, coalesce(start.view, 'all') as view,
       count(*) as calls, max(start.at) as last
from traffic as start
where start.kind = 3
  and start.at >= %(since)s and start.at < %(until)s
  and start.method = any(%(methods)s)
  and start.user_id is not null and start.server is not null and start.tool is not null
  and not exists (
      select from traffic as done
      where done.request_id = start.request_id and done.kind = 4
        and done.status <> 'Completed' and done.status = 'Denied'
        and done.at >= %(since)s - interval '1 hour')
group by start.user_id, start.key_id, start.server, start.tool, start.method, coalesce(start.view, 'all')
order by calls desc, last desc
limit %(size)s
