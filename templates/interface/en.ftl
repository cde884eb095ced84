### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account

## web

## territory

## registry

## trial

## observation

## norm

## analysis

## map
map-week = week { $week }
map-weeks = weeks { $from } to { $to }
map-days = { $from } to { $to }
map-period = { $weeks }, { $days }
map-phase-baseline = before the messages ({ $weeks })
map-phase-messages = with messages ({ $weeks })
map-phase-after = after the messages ({ $weeks })

## coordinator

## errors
