-- Numbers for the users of requests that ended between two positions of the traffic, as far as they have none.
--
-- after, upto  positions; the first is not taken, the second is
insert into request_user (user_id)
select distinct coalesce(user_id, '')
from traffic
where kind = 4 and position > %(after)s and position <= %(upto)s
  and not exists (select from request_user as known where known.user_id = coalesce(traffic.user_id, ''))
