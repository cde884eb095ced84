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

## coordinator

## errors
