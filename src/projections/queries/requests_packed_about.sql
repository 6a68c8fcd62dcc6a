-- Where to look for packed requests: always one row.
--
-- user, server_asked  as in requests_page.sql, '' for no server
select (select number from request_user where user_id = %(user)s) as user_number,
       server_part(%(server_asked)s) as server_part,
       (select coalesce(max(number), 0) from request_user) as most_users,
       (select coalesce(max(number), 0) from request_tool) as most_tools
