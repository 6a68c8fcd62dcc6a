-- When the provider last said what the user belongs to; it may vouch for somebody and not say that.
alter table provider_grant add column listed_at timestamptz not null default clock_timestamp();
