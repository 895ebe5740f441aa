-- The events that have parts: one row for each, the newest first.
-- parts and parts_expected differ when some of them are not in the store, or not in this span.
SELECT
    event_id,
    max(event_time) AS event_time,
    max(event_name) AS event_name,
    array_join(array_agg(DISTINCT field ORDER BY field), ', ') AS fields,
    count(DISTINCT number) AS parts,
    max(total) AS parts_expected
FROM (
    SELECT
        event_time,
        event_name,
        json_extract_scalar(part, '$.of') AS event_id,
        json_extract_scalar(part, '$.field') AS field,
        CAST(json_extract_scalar(part, '$.number') AS bigint) AS number,
        CAST(json_extract_scalar(part, '$.total') AS bigint) AS total
    FROM (
        SELECT
            eventdata.eventtime AS event_time,
            eventdata.eventname AS event_name,
            element_at(eventdata.requestparameters, 'part') AS part
        FROM <event_data_store_id>
        WHERE eventcategory = 'ActivityAuditLog'
            AND eventtime >= '<from>'
            AND eventtime < '<to>'
    )
    WHERE part IS NOT NULL
)
WHERE event_id IS NOT NULL
-- By the id alone: a derived time may be another one where an entry was shipped twice.
GROUP BY event_id
ORDER BY event_time DESC, event_id
