-- The mart counts each post of the golden table once. A test fails if it finds a row.
with counted as (
    select
        (select count(*) from {{ ref('posts') }}) as posts,
        (select coalesce(sum(posts), 0) from {{ ref('daily_activity') }}) as in_mart
)
select * from counted where posts <> in_mart
