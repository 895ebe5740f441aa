-- The ids of all Admin API calls that are in the log group, to be compared with those that Kong holds.
SELECT request_id
FROM (
    SELECT
        UID AS request_id,
        `additionalEventData.method` AS method,
        row_number() OVER (PARTITION BY UID ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
WHERE place = 1
    AND method IS NOT NULL
ORDER BY request_id
