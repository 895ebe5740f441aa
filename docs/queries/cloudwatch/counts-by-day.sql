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
            WHEN `additionalEventData.method` IS NULL THEN 'objects'
            ELSE 'requests'
        END AS stream,
        CASE
            WHEN `additionalEventData.derivedTime.source` IS NULL THEN substr(eventTime, 1, 10)
            ELSE 'derived'
        END AS day,
        cast(`additionalEventData.idSum` AS bigint) AS id_sum,
        `additionalEventData.konghostname` AS konghostname,
        row_number() OVER (PARTITION BY UID ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
WHERE place = 1
    -- Parts have none.
    AND konghostname IS NOT NULL
GROUP BY stream, day
ORDER BY stream, day
