-- Calls that were answered, with an error of the tool itself, are found as fast as those that failed.
create index traffic_tool_error on traffic (request_id) where kind = 4 and reason = 'tool_error';
