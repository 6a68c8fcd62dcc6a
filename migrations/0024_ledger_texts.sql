-- Texts of facts are found by an index: by every two letters that follow each other, folded to small ones, so that any part
-- of a text is found, in any language, from two letters on.

-- fact_texts: what texts are looked for in, as TEXTS of projections/timeline.py has it. Nothing of a fact that jsonb cannot
-- hold, such as half a character: it is recorded all the same.
create function fact_texts(data json) returns text
language plpgsql immutable strict
as $$
declare
    fact jsonb;
begin
    begin
        fact := data;
    exception when data_exception then
        return '';
    end;
    return concat_ws(E'\x1f', fact ->> 'name', fact ->> 'old_name', fact ->> 'tool', fact ->> 'variable',
                     fact ->> 'description', fact ->> 'reason', fact ->> 'last4');
end
$$;

-- text_pairs: every two letters that follow each other, in one walk: a description may be a hundred thousand letters long.
create function text_pairs(letters text) returns text[]
language plpgsql immutable strict parallel safe
as $$
declare
    letter text;
    former text;
    pairs text[] := '{}';
begin
    foreach letter in array string_to_array(lower(letters), null) loop
        if former is not null then
            pairs := pairs || (former || letter);
        end if;
        former := letter;
    end loop;
    return pairs;
end
$$;

create index ledger_texts on ledger using gin (text_pairs(fact_texts(data))) with (fastupdate = off);
