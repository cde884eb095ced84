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

## coordinator

## errors
