-- The ids of all rows that were written and are in the bucket, to be compared with those that Kong holds.
SELECT id
FROM (
    SELECT
        json_extract_scalar(line, '$.UID') AS id,
        json_extract_scalar(line, '$.additionalEventData.method') AS method,
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
    AND method IS NULL
    -- Parts have none.
    AND konghostname IS NOT NULL
ORDER BY id
