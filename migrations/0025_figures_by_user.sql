-- Figures of users tell methods apart in a grain of their own: whoever asks about users reads a third of the rows.
--
-- grain  1 everybody   2 by tool and method   3 by user   4 by user and method
insert into request_rollup (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled, tool_errors,
                            answered, total_ms, sketch)
select 4, span, at, user_id, '', '', method, count, errors, denied, cancelled, tool_errors, answered, total_ms, sketch
from request_rollup where grain = 3;
delete from request_rollup where grain = 3;
insert into request_rollup (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled, tool_errors,
                            answered, total_ms, sketch)
select 3, span, at, user_id, '', '', '', sum(count), sum(errors), sum(denied), sum(cancelled), sum(tool_errors),
       sum(answered), sum(total_ms), sketch_merged(string_agg(sketch, ''::bytea))
from request_rollup where grain = 4
group by 2, 3, 4;
