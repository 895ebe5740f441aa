-- The ids of all rows that were written and are in the log group, to be compared with those that Kong holds.
SELECT id
FROM (
    SELECT
        UID AS id,
        `additionalEventData.method` AS method,
        `additionalEventData.konghostname` AS konghostname,
        row_number() OVER (PARTITION BY UID ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
WHERE place = 1
    AND method IS NULL
    -- Parts have none.
    AND konghostname IS NOT NULL
ORDER BY id
