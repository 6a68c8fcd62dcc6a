-- Which of these requests have ended by now.
--
-- ids     of requests
-- since   nothing of them is older; it chooses the days to read
select request_id from traffic
where kind = 4 and request_id = any(%(ids)s) and at >= %(since)s - interval '1 hour'
