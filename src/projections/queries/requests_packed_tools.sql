-- Tools by the numbers they have in packed requests.
--
-- filters  as in requests_page.sql
select number, server, tool
from request_tool
where (%(server)s::text is null or server = %(server)s)
  and (%(tool)s::text is null or tool = %(tool)s)
  and (%(method)s::text is null or method = %(method)s)
