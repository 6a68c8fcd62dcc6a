-- What `find` answers, among so many tools that not each of them is looked at: of some candidates by words and some by
-- meaning the score is exact, and the others are taken to be worse. Nothing but what is visible enters a score: by words
-- the scale is of all of them, who does not match counting as zero, and by meaning it is of a sample of them.
--
-- terms, weights     of the query
-- version            of the catalog when the numbers were looked up; nothing is answered when they are others by now
-- visible            a bit for each number of a tool, set when it may be looked at
-- tools              how many may be
-- own_*              numbers below zero, and terms, of visible tools that are not in the catalog
-- sample             content hashes of some of the visible ones, chosen by nothing but themselves
-- candidates         how many of each kind
-- {{near}}             content hashes of the tools nearest to the query; {{dense}}: the cosine of one
with query_term as materialized (  -- by their places: they are compared more often than read
    select * from unnest(%(terms)s::text[], %(weights)s::real[]) with ordinality as q (term, asked, at)
), posting as materialized (
    select number, at, asked * weight as weight
    from query_term join tool_terms using (term)
    -- Not `= 1`, which the planner takes for rare.
    where case when number < %(numbers)s then get_bit(%(visible)s, number) else 0 end <> 0
    union all
    select number, at, asked * weight
    from unnest(%(own_numbers)s::int[], %(own_terms)s::text[], %(own_weights)s::real[]) as own (number, term, weight)
    join query_term using (term)
), rarity as (
    select at, ln(1 + (%(tools)s::float8 - df + 0.5) / (df + 0.5)) as idf
    from (select at, count(*)::float8 as df from posting group by at) as counted
), lexical as materialized (
    select number, sum(weight * idf) as score from posting join rarity using (at) group by number
), lexical_scale as (
    select mean, greatest(sqrt(greatest(square - mean * mean, 0)), 1e-9) as deviation, best
    from (select coalesce(sum(score), 0) / %(tools)s as mean, coalesce(sum(score * score), 0) / %(tools)s as square,
                 coalesce(max(score), 0) as best
          from lexical) as summed
), near as materialized (
    {near}
), candidate as (
    select number, content_hash from near join tool_catalog using (content_hash)
    union
    select number, content_hash
    from (select number from lexical order by score desc fetch first %(candidates)s rows with ties) as best
    left join tool_catalog using (number)
), scored as (
    select number, content_hash, coalesce(score, 0) as lexical, {dense} as dense
    from candidate as one left join lexical using (number)
), dense_scale as (
    select avg(dense) as mean, greatest(stddev_pop(dense), 1e-9) as deviation
    from (select {dense} as dense from unnest(%(sample)s::uuid[]) as one (content_hash)) as compared
)
select number,
       {lexical_part} * (lexical - lexical_scale.mean) / lexical_scale.deviation
           + {dense_part} * coalesce((dense - dense_scale.mean) / dense_scale.deviation, 0) as score,
       best as lexical_max
from scored, lexical_scale, dense_scale, tool_catalog_version
where version = %(version)s
order by score desc, content_hash, number desc
limit %(most)s
