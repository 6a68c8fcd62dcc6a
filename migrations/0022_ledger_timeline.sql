-- The timeline finds facts in the ledger itself: by whom they are about, by who did them, and by what they are. No read
-- table repeats the ledger for that. The expressions are those of projections/timeline.py.

-- tagged_user: whom a fact is about, by its tags; '' for nobody.
create function tagged_user(tags text[]) returns text
language plpgsql immutable strict parallel safe
as $$
declare
    tag text;
begin
    foreach tag in array tags loop
        if starts_with(tag, 'user:') then
            return substr(tag, length('user:') + 1);
        end if;
    end loop;
    return '';
end
$$;

create index ledger_user on ledger (tagged_user(tags), position);
-- What people do is mostly about themselves, and found by the index above.
create index ledger_actor on ledger ((meta ->> 'actor'), position) where (meta ->> 'actor') <> tagged_user(tags);
create index ledger_type on ledger (type, position);
analyze ledger;  -- what an index is on has figures of its own to plan by
