-- One row a day. A run rebuilds the days whose rows changed, however late: `posts` and `batches` differ from the last run's. If a
-- day has no rows left, because its batches were rolled back, its row is deleted.
{{ config(
    materialized='incremental',
    table_type='iceberg',
    incremental_strategy='merge',
    unique_key='created_on',
    delete_condition='src.posts = 0',
) }}

with days as (
    select
        created_on,
        count(*) as posts,
        count(distinct user_id) as users,
        count_if(district is not null) as posts_in_london,
        sum(cast(coalesce(retweets, 0) as bigint)) as retweets,
        array_join(array_sort(array_agg(distinct batch)), ' ') as batches
    from {{ ref('posts') }}
    group by created_on
)

{% if is_incremental() %}
select
    coalesce(days.created_on, published.created_on) as created_on,
    coalesce(days.posts, 0) as posts,
    days.users,
    days.posts_in_london,
    days.retweets,
    days.batches
from days
full outer join {{ this }} as published on published.created_on = days.created_on
where days.posts is distinct from published.posts or days.batches is distinct from published.batches
{% else %}
select * from days
{% endif %}
