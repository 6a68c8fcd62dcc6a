-- Master keys that wrap nothing any more. A hub that has not heard of it yet would wrap a new data key by one, and
-- nobody could open it once the ring has forgotten the key: so such a row is refused.
create table retired_master_key (
    id         text        primary key,
    retired_at timestamptz not null default clock_timestamp()
);
revoke all on retired_master_key from public;
grant select, insert on retired_master_key to mcphub_app;

create function data_key_is_wrapped_by_a_living_key() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if exists (select from retired_master_key where id = new.kek_id) then
        raise exception 'the master key % is retired', new.kek_id
            using hint = 'This hub has an old master key ring. Give it the present one and start it again.';
    end if;
    return new;
end
$$;
create trigger data_key_is_wrapped_by_a_living_key before insert or update of kek_id on data_key
    for each row execute function data_key_is_wrapped_by_a_living_key();
