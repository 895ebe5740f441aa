-- The slices of one event's parts, one row for each and none larger than 100 kB: for values so
-- large that parts.sql fails with "Query response is too large".
SELECT DISTINCT
    json_extract_scalar(part, '$.field') AS field,
    json_extract_scalar(part, '$.encoding') AS encoding,
    CAST(json_extract_scalar(part, '$.number') AS bigint) AS number,
    json_extract_scalar(part, '$.slice') AS slice
FROM (
    SELECT element_at(eventdata.requestparameters, 'part') AS part
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
)
WHERE json_extract_scalar(part, '$.of') = '<event_id>'
ORDER BY number
