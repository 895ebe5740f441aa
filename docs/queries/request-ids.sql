-- The ids of all Admin API calls that are in the store, to be compared with those that Kong holds.
SELECT request_id
FROM (
    SELECT
        eventdata.uid AS request_id,
        element_at(eventdata.additionaleventdata, 'method') AS method,
        row_number() OVER (
            PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime, eventid
        ) AS place
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventdata.eventsource = 'kong-gateway'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
) AS numbered
WHERE place = 1
    AND method IS NOT NULL
ORDER BY request_id
