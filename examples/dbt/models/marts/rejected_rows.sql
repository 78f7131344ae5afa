-- What Sluice kept out of its tables, by dataset and reason.
{{ config(materialized='table') }}

select dataset, reason, column_name, count(*) as row_count
from {{ source('golden', 'quarantine') }}
group by dataset, reason, column_name
