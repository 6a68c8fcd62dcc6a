-- Signing in elsewhere: browsers on their way to a provider and back, what the daily look at memberships needs, and how
-- long sessions of the API live.

-- One row a browser that was sent to a provider. Coming back deletes it, whatever comes of it.
--
-- state_digest   of the `state` the provider hands back; the state itself is only in the browser
-- verifier       proves to the provider that whoever redeems the code is who asked for it (PKCE, RFC 7636)
-- cookie_digest  of the flow cookie: only the browser that set out may come back (login CSRF)
-- next           a path of this hub
create table sign_in_flow (
    state_digest  bytea       primary key,
    provider      text        not null,
    verifier      text        not null,
    nonce         text        not null,
    cookie_digest bytea       not null,
    next          text        not null default '',
    expires_at    timestamptz not null
);
create index sign_in_flow_expires on sign_in_flow (expires_at);
grant select, insert, delete on sign_in_flow to mcphub_app;

-- By what the hub asks a provider with an allow-list once a day whether a user is still a member. No facts: it is
-- replaced at every sign-in and may be replaced at every look.
--
-- sealed   access or refresh token, under a data key of its own that dies with it; '' when the provider gave none
-- seen_at  when the provider last said that the user is a member
-- due_at   when to ask next; pushed on by whoever asks, so that two hubs do not ask at once
create table provider_grant (
    user_id text        primary key,
    issuer  text        not null,
    sealed  text        not null,
    seen_at timestamptz not null,
    due_at  timestamptz not null
);
create index provider_grant_due on provider_grant (due_at);
grant select, insert, update, delete on provider_grant to mcphub_app;

-- Until when a browser's or script's session may be used. Its beginning and end are facts; being renewed is none.
create table api_session (
    session_id text        primary key,
    user_id    text        not null,
    expires_at timestamptz not null
);
create index api_session_expires on api_session (expires_at);
grant select, insert, update, delete on api_session to mcphub_app;
