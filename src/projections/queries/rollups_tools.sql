-- Numbers for the tools of requests that ended between two positions of the traffic; see rollups_users.sql.
insert into request_tool (server, tool, method)
select distinct coalesce(server, ''), coalesce(tool, ''), coalesce(method, '')
from traffic
where kind = 4 and position > %(after)s and position <= %(upto)s
  and not exists (
      select from request_tool as known
      where known.server = coalesce(traffic.server, '') and known.tool = coalesce(traffic.tool, '')
        and known.method = coalesce(traffic.method, ''))
