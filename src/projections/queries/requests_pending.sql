-- How many requests have no end yet. None is older than the sweeper lets it get.
select count(*) as pending
from traffic as start
where start.kind = 3 and start.at >= %(since)s
  and not exists (
      select from traffic as done
      where done.request_id = start.request_id and done.kind = 4 and done.at >= %(since)s - interval '1 hour')
