-- One row a post, with the names and types that the marts use.
select
    id,
    created_at,
    date(created_at) as created_on,
    user_id,
    coalesce(user_segment, 'unknown') as user_segment,
    district,
    retweets,
    _batch as batch
from {{ source('golden', 'social_media') }}
