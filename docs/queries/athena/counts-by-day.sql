-- How many entries there are of each stream and day, and the sum of their idSum: to be held against the table of
-- `verify`. Of several events with one UID the first counts, and parts do not.
-- Events whose time is derived have the row 'derived'.
SELECT
    stream,
    day,
    count(*) AS entries,
    sum(id_sum) AS id_sum
FROM (
    SELECT
        CASE
            WHEN json_extract_scalar(line, '$.additionalEventData.method') IS NULL THEN 'objects'
            ELSE 'requests'
        END AS stream,
        CASE
            WHEN json_extract_scalar(line, '$.additionalEventData.derivedTime.source') IS NULL
                THEN substr(json_extract_scalar(line, '$.eventTime'), 1, 10)
            ELSE 'derived'
        END AS day,
        cast(json_extract_scalar(line, '$.additionalEventData.idSum') AS bigint) AS id_sum,
        json_extract_scalar(line, '$.additionalEventData.konghostname') AS konghostname,
        row_number() OVER (
            PARTITION BY json_extract_scalar(line, '$.UID') ORDER BY "$file_modified_time", "$path"
        ) AS place
    FROM <trail>
    WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
        AND "date" >= '<from>'
        AND "date" < '<to>'
) AS numbered
WHERE place = 1
    -- Parts have none.
    AND konghostname IS NOT NULL
GROUP BY stream, day
ORDER BY stream, day
