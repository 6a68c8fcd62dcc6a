-- Servers a user called of late, the latest first.
--
-- user, since
-- low          the lowest id of `since`
-- calls        how many of the latest calls are looked at
-- most         servers
select server
from (
    select server, at from traffic
    where kind = 3 and user_id = %(user)s and method = 'tools/call' and server is not null
      and at >= %(since)s and request_id >= %(low)s
    order by request_id desc
    limit %(calls)s
) as latest
group by server
order by max(at) desc
limit %(most)s
