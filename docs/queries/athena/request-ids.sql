-- The ids of all Admin API calls that are in the bucket, to be compared with those that Kong holds.
SELECT request_id
FROM (
    SELECT
        json_extract_scalar(line, '$.UID') AS request_id,
        json_extract_scalar(line, '$.additionalEventData.method') AS method,
        row_number() OVER (
            PARTITION BY json_extract_scalar(line, '$.UID') ORDER BY "$file_modified_time", "$path"
        ) AS place
    FROM <trail>
    WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
        AND "date" >= '<from>'
        AND "date" < '<to>'
) AS numbered
WHERE place = 1
    AND method IS NOT NULL
ORDER BY request_id
