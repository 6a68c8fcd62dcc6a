-- The best of the tools that somebody may see.
--
-- terms, weights     of the query
-- visible            content hashes of the tools to look among; the answer names their places in it, from 1
-- own_*              terms of visible tools that are not in the catalog
-- model, vector      of the query's meaning; null to go by words alone
--
-- How rare a term is follows from all tools there are, so it tells nothing of who sees what. The two scores are put on
-- one scale by mean and deviation among the visible tools; one without a vector counts as average.
-- lexical_max        the best score by words among them: how sure the answer is
with query_term as (
    select * from unnest(%(terms)s::text[], %(weights)s::real[]) as q (term, asked)
), corpus as (
    select count(*)::float8 as n from tool_catalog
), posting as materialized (
    select content_hash, term, weight, asked from query_term join tool_terms using (term)
), rarity as (
    select term, ln(1 + (n - df + 0.5) / (df + 0.5)) as idf
    from corpus, (select term, count(*)::float8 as df from posting group by term) as counted
    union all
    select term, ln(1 + (n + 0.5) / 0.5) from corpus, query_term
    where not exists (select from posting where posting.term = query_term.term)
), lexical as (
    select content_hash, sum(asked * weight * idf) as score
    from (
        select content_hash, term, weight, asked from posting
        union all
        select content_hash, term, weight, asked
        from unnest(%(own_hashes)s::uuid[], %(own_terms)s::text[], %(own_weights)s::real[])
            as own (content_hash, term, weight)
        join query_term using (term)
        where not exists (select from tool_catalog where tool_catalog.content_hash = own.content_hash)
    ) as every
    join rarity using (term)
    group by content_hash
), meaning as materialized (  -- once for each tool; of unit vectors the inner product is the cosine
    {meaning}
), visible as materialized (
    select place, coalesce(score, 0) as lexical, dense
    from unnest(%(visible)s::uuid[]) with ordinality as seen (content_hash, place)
    left join lexical using (content_hash)
    left join meaning using (content_hash)
), scaled as (
    select place, lexical,
           (lexical - avg(lexical) over ()) / greatest(stddev_pop(lexical) over (), 1e-9) as lexical_z,
           coalesce((dense - avg(dense) over ()) / greatest(stddev_pop(dense) over (), 1e-9), 0) as dense_z
    from visible
)
select place, {lexical_part} * lexical_z + {dense_part} * dense_z as score, max(lexical) over () as lexical_max,
       greatest(n::int, (count(*) over ())::int) as tools
from scaled, corpus
order by score desc, place
limit %(most)s
