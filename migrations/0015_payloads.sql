-- What a tool was called with and what it answered, of servers whose entry says `mcphub.keepPayloads`. Sealed under the
-- personal key of the user who called, so it goes with that key; cut to a bounded size before it is sealed.
--
-- arguments_bytes, result_bytes   before the cut; null where there was nothing: a call that failed has no result
create table request_payload (
    request_id      uuid        primary key,
    at              timestamptz not null,
    user_id         text        not null,
    arguments       text        not null,
    arguments_bytes integer,
    result          text        not null,
    result_bytes    integer
);
create index request_payload_at on request_payload (at);
create index request_payload_user on request_payload (user_id);
revoke all on request_payload from public;
grant select, insert, delete on request_payload to mcphub_app;
