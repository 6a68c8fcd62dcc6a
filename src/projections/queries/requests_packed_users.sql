-- Users by the numbers they have in packed requests.
select number, user_id from request_user where number = any(%(numbers)s)
