"""Requests of a month by the users of a ledger, and the access log beside it: made by PostgreSQL, day by day.

The busiest tenth of the users makes half of the requests. Each has six servers of their own among those there are, and
prefers some of them and some of their tools. Five calls in a hundred end in another way than they should.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import psycopg

DAYS = 30  # and what there was of today
AT_ONCE = 2  # days made at once
OF_A_USER = 6  # servers

PEOPLE = """
    create table bench_people as
    select row_number() over (order by position) - 1 as number, data ->> 'user_id' as user_id
    from ledger where type = 'UserRegistered'
"""
SERVERS = """
    create table bench_servers as
    select row_number() over (order by position) - 1 as number, data ->> 'slug' as slug
    from ledger where type = 'ServerAdded' and data ->> 'server_id' not in
        (select data ->> 'server_id' from ledger where type = 'ServerRemoved')
"""
# Positions in the order of the times; each request has its start and its end, as the gateway writes them.
DAY = """
    with asked as materialized (
        select %(day)s::timestamptz + random() * %(length)s::interval as at,
               floor((select count(*) from bench_people) * power(random(), 3.3))::int as who,
               floor(6 * power(random(), 2))::int as which, floor(25 * power(random(), 2))::int as tool,
               random() as kind, random() as luck, exp(4 + 3.6 * (random() + random() - 1))::real as ms
        from generate_series(1, %(count)s)
    ), made as materialized (
        select asked.at, ms, luck, user_id, slug, uuidv7(asked.at - clock_timestamp()) as id,
               case when kind < 0.86 then 'tool_' || tool end as tool,
               case when kind < 0.86 then 'tools/call' when kind < 0.97 then 'tools/list' else 'ping' end as method
        from asked join bench_people on bench_people.number = who
        join bench_servers on bench_servers.number = (who * 7 + which * 5) %% (select count(*) from bench_servers)
    ), rows as (
        select at, 3 as kind, id, user_id, slug, tool, method, null as status, null::real as ms, null as reason
        from made
        union all
        select at + ms * interval '1 ms', 4, id, user_id, slug, tool, method,
               case when luck < 0.95 then 'Completed' when luck < 0.98 then 'Failed' when luck < 0.985 then 'TimedOut'
                    when luck < 0.995 then 'Denied' else 'Cancelled' end,
               case when luck < 0.985 then ms end, case when luck < 0.02 then 'tool_error' end
        from made
    )
    insert into {table} (position, at, kind, boot, request_id, user_id, key_id, server, tool, method, status,
                         duration_ms, wait_ms, upstream_ms, bytes_in, bytes_out, era, mode, client_name,
                         ledger_position, reason, node)
    select %(first)s + row_number() over (order by at), at, kind, 1, id, user_id, user_id,
           case when method = 'tools/call' then slug end, tool, method, status, ms, ms * 0.01, ms * 0.95, 300,
           case when kind = 4 then 2000 end, '2025-11-25', 'tools', 'ide', 1, reason, 'n'
    from rows where at < %(day)s::timestamptz + interval '1 day'
"""
ACCESS = """
    insert into access_log (recorded_at, id, at, action, outcome, way, actor, subject, name_digest, ip, agent, address,
                            method, route, request_id, ledger_position, lost, node)
    select at, uuidv7(at - clock_timestamp()), at, 'sign_in',
           case when random() < 0.9 then 'done' else 'wrong_password' end, 'oidc', user_id, user_id, '',
           repeat('i', 95), repeat('a', 225), '', 'POST', '/api/auth/login', id::text,
           greatest(1, (select position from ledger_head) - extract(epoch from %(until)s - at) / 31.536)::bigint, 0,
           'n'
    from (
        select %(day)s::timestamptz + n * interval '1 day' / %(count)s as at, gen_random_uuid() as id,
               floor((select count(*) from bench_people) * power(random(), 3.3))::int as who
        from generate_series(0, %(count)s - 1) as n
    ) as came join bench_people on bench_people.number = who
    order by at
"""


def fill(owner: str, count: int, until: datetime, notes: int) -> None:
    """
    Args:
        owner: dsn of the owner of the tables; only they may write days without their indexes.
        count: requests.
        notes: rows of the access log.
    """
    today = until.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=ago) for ago in range(DAYS, -1, -1)]
    share = (until - today) / timedelta(days=1)
    with psycopg.connect(owner, autocommit=True) as db:
        db.execute(PEOPLE)
        db.execute(SERVERS)
        db.execute("analyze bench_people")
        a_day = count / (DAYS + share)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            made = [threads.submit(_day, owner, day, until, a_day, index) for index, day in enumerate(days)]
            for one in made:
                one.result()
        db.execute("select setval('traffic_position', (select max(position) from traffic))")
        for day in days[:-1]:
            db.execute("select access_log_partition(%s)", (day.date(),))
            db.execute(ACCESS, {"day": day, "count": max(1, notes // DAYS), "until": until})
        db.execute("drop table bench_people, bench_servers")
        for table in ("traffic", "access_log"):
            db.execute(f"vacuum (freeze, analyze) {table}")  # type: ignore[call-overload]


def _day(owner: str, day: datetime, until: datetime, a_day: float, index: int) -> None:
    """One partition, made apart: so its indexes are made when it is attached, from rows that are there."""
    length = min(until - day, timedelta(days=1))
    given = {
        "day": day,
        "length": length,
        "count": round(a_day * (length / timedelta(days=1))),
        "first": round(index * a_day * 2.1),
    }
    table = f"traffic_{day:%Y%m%d}"
    with psycopg.connect(owner, autocommit=True) as db, db.transaction():
        db.execute("set local work_mem = '256MB'")
        db.execute("set local maintenance_work_mem = '256MB'")
        db.execute(f"create table {table} (like traffic including defaults)")  # type: ignore[call-overload]
        db.execute(DAY.format(table=table), given)  # type: ignore[call-overload]
        db.execute(
            f"alter table traffic attach partition {table} for values from ('{day}') to ('{day + timedelta(days=1)}')"  # type: ignore[call-overload]
        )


__all__ = ["DAYS", "fill"]
