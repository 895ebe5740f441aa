-- The ids of all Admin API calls that are in the log group, to be compared with those that Kong holds.
SELECT UID AS request_id
FROM `<log_group>`
WHERE eventTime >= '<from>'
    AND eventTime < '<to>'
    AND `additionalEventData.method` IS NOT NULL
GROUP BY UID
ORDER BY request_id
