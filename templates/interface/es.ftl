### Interface in Guatemalan Spanish: usted, present tense, at most 20 words a sentence. Keys are grouped by module; the same keys stand in en.ftl.

## page
to = a

## account

## web

## territory

## registry

## trial

## observation

## norm

## analysis

## map
map-week = semana { $week }
map-weeks = semanas { $from } a { $to }
map-days = { $from } al { $to }
map-period = { $weeks }, del { $days }
map-phase-baseline = antes de los mensajes ({ $weeks })
map-phase-messages = con mensajes ({ $weeks })
map-phase-after = después de los mensajes ({ $weeks })

## coordinator

## errors
