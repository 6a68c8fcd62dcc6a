-- How many requests have no end yet. None is older than the sweeper lets it get.
--
-- user, session, server, tool, method   exact, or null for any
select count(*) as pending
from traffic as start
where start.kind = 3 and start.at >= %(since)s
  and (%(user)s::text is null or start.user_id = %(user)s)
  and (%(session)s::uuid is null or start.session_id = %(session)s)
  and (%(server)s::text is null or start.server = %(server)s)
  and (%(tool)s::text is null or start.tool = %(tool)s)
  and (%(method)s::text is null or start.method = %(method)s)
  and not exists (
      select from traffic as done
      where done.request_id = start.request_id and done.kind = 4 and done.at >= %(since)s - interval '1 hour')
