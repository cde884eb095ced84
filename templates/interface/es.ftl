### Interface in Guatemalan Spanish: usted, present tense, at most 20 words a sentence. Keys are grouped by module; the same keys stand in en.ftl.

## page
to = a

## account

## web

## territory

## registry

## trial

## observation
crew-title = Parada siguiente
crew-notice = Aviso
crew-demo = Ciudad de práctica: nada de lo que vea es real
crew-needs-script = Para anotar en el teléfono hace falta JavaScript. Actívelo en el navegador o anote en esta lista y entréguela a su jefe.
crew-paper = Paradas del { $day }
crew-open-list = Ver la lista del día
crew-undo = Deshacer
crew-question = ¿Qué encontró en esta casa?
crew-not-made = No se pudo pasar…
crew-why = ¿Por qué no se pudo?
crew-back = Volver a la casa
crew-list = Paradas del día
crew-list-day = Ruta del { $day }. Toque una casa para corregirla.
crew-needs-attention = Necesita atención
crew-enrol = Inscribir de nuevo este teléfono
crew-change-route = Cambiar de ruta
crew-outcome-bien = Bien separada
crew-outcome-medio = A medias
crew-outcome-mal = Mezclada
crew-outcome-no = No sacó
crew-outcome-undone = Deshecha
crew-far = a { $n } m
crew-progress = { $n } de { $total }
crew-no-route = Sin ruta
crew-stream-organic = Hoy: orgánico
crew-stream-recyclable = Hoy: reciclable
crew-stream-residual = Hoy: no reciclable
crew-stream-mixed = Hoy: las tres bolsas, cada una aparte
crew-finished = Ruta terminada
crew-finished-help = { $n } de { $total } paradas anotadas. Abra la lista si debe corregir una.
crew-choose = ¿Qué ruta lleva hoy?
crew-no-rounds = Hoy no hay rutas
crew-waiting = Un momento…
crew-waiting-help = Todavía no está la ruta de hoy. Busque señal y abra de nuevo.
crew-refused = Sin permiso: avise a su jefe
crew-refused-help = Este teléfono ya no tiene permiso para enviar. Lo guardado sigue aquí: avise a su jefe.
crew-correcting = Anotada: { $outcome }. Toque lo que corresponde.
crew-double = La ve también otra persona
crew-all-sent = Todo enviado
crew-unsent = { $n } sin enviar
crew-since = desde las { $at }
crew-look-for-signal = Busque señal o avise a su jefe
crew-attention = Necesita atención: { $n }
crew-nothing-yet = Nada anotado todavía
crew-saved-at = Guardada en el teléfono, { $at }
crew-sent-at = Enviada, { $at }
crew-not-saved = No se guardó
crew-not-saved-help = El teléfono no tiene espacio. Anote en papel y avise a su jefe.
crew-route-choice = { $route }, { $from }–{ $to } ({ $n } paradas)
crew-pending = Pendiente
crew-state-waiting = Guardada en el teléfono
crew-state-sent = Enviada
crew-state-attention = Necesita atención
crew-attention-row = { $home }, { $at }: { $outcome }. { $why }
crew-round = Ruta
crew-why-other = El servidor no la aceptó ({ $code }). Su jefe la revisa.
crew-why-household-unknown = El servidor no conoce esta casa en su ruta. Su jefe la revisa.
crew-why-round-unknown = El servidor no conoce esta ruta. Su jefe la revisa.
crew-why-observed-in-the-future = La hora del teléfono estaba adelantada. Revise el reloj.
crew-why-op-other-content = Ya se recibió con otro contenido. Su jefe decide cuál queda.
crew-persist-yes = El teléfono promete no borrar lo guardado.
crew-persist-no = El teléfono puede borrar lo guardado si se llena. Envíe cada día.
crew-persist-unknown = Este navegador no dice si cuida lo guardado. Envíe cada día.
reason-not_served = No tiene servicio
reason-street_blocked = Calle cerrada
reason-flood_or_landslide = Inundación o derrumbe
reason-truck_full = Camión lleno
reason-truck_broken = Camión descompuesto
reason-dump_closed = Vertedero cerrado
reason-crew_short = Falta personal
reason-refused = El hogar no quiso
reason-skipped = Se nos pasó
rounds-heading = ¿Quién anda fuera y qué falta?
rounds-answer = { $out } de { $rounds } rutas han salido. Hay { $done } de { $planned } paradas hechas y { $missed } no hechas con motivo.
rounds-none = Este día no hay rutas.
rounds-caption = Paradas hechas, no hechas con motivo y sin dato. Actualizado { $at }.
rounds-route = Ruta
rounds-hours = Horario
rounds-done = Hechas
rounds-progress = Hechas, no hechas, sin dato
rounds-missed = No hechas
rounds-last = Última parada
rounds-status = Estado
rounds-of = { $n } de { $total }
rounds-waiting = Sin salir
rounds-late = Atrasada { $minutes } min
rounds-running = En curso
rounds-finished = Terminada
rounds-missed-heading = No hechas, por motivo
rounds-missed-caption = Paradas del { $day }. La causa disculpa a la ruta; no dice nada del hogar.
rounds-missed-none = Ninguna parada quedó sin hacer con motivo.
rounds-reason = Motivo
rounds-stops = Paradas
rounds-phones = Teléfonos que necesitan atención
rounds-phones-caption = Enviado y no aceptado, sin permiso, o sin señal durante una ruta.
rounds-phones-none = Todos los teléfonos están al día.
rounds-phone = Teléfono
rounds-problem = Qué pasa
rounds-unsettled = { $n } anotaciones esperan a una persona
rounds-revoked = Sin permiso desde el { $at }
rounds-silent = Sin señal desde el { $at }
rounds-never = No ha enviado nada todavía
rounds-previous = Día anterior
rounds-next = Día siguiente

## norm

## analysis

## map

## coordinator

## errors
error-device-needed = Este permiso no es de un teléfono. Inscriba el teléfono y pruebe de nuevo.
