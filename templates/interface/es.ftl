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
norm-campaigns-heading = ¿Llegan los mensajes?
norm-campaigns-answer = Llegaron { $delivered } de { $due } mensajes que ya tocaban ({ $share } %). Todos los brazos juntos; uno por semana y hogar.
norm-campaigns-none = Todavía no hay mensajes. Empiezan con la fase de mensajes del ensayo y paran solos.
norm-campaign-empty = La campaña «{ $campaign }» todavía no tiene mensajes aquí.
norm-campaign-caption = Campaña «{ $campaign }»: mensajes por semana, todos los brazos juntos
norm-column-week = Semana
norm-column-due = Debidos
norm-column-delivered = Entregados
norm-column-failed = Sin llegar
norm-column-waiting = En espera
norm-column-withheld = Sin contacto
norm-narrow = { $failed } sin llegar · { $waiting } en espera · { $withheld } sin contacto
norm-trial-week = semana { $n } del ensayo
norm-paused = En pausa desde el { $day }
norm-preview-open = Ver por qué un hogar recibe su texto
norm-search-heading = ¿Por qué recibe un hogar su texto?
norm-search-answer = Escriba el código del hogar. Verá el mensaje de esa semana y cada dato del que sale.
norm-field-municipality = Municipio
norm-field-household = Código del hogar
norm-field-household-help = Como está en la puerta: SP-4821-K.
norm-field-week = Semana
norm-preview-button = Ver el mensaje
norm-preview-logged = Esta página muestra un brazo del ensayo: queda anotado quién la abre.
norm-preview-heading = ¿Por qué este hogar recibe este texto?
norm-week = semana { $week }, del { $from } al { $to }
norm-week-short = semana { $week } ({ $from } al { $to })
norm-home = hogar { $code }
norm-text-sent = El mensaje, como salió
norm-text-waiting = El mensaje que espera su hora
norm-text-would = El mensaje, como saldría
norm-text-none = A este hogar no se le escribe esta semana. La fila queda, porque la dosis es un resultado.
norm-size = { $n } de 160 caracteres · 1 parte · { $channel }
norm-size-full = { $n } letras · { $channel }
norm-channel-sms = SMS
norm-channel-whatsapp = WhatsApp
norm-channel-voice = Voz
norm-channel-paper = Papel
norm-channel-none = Ninguno
norm-state-withheld = Sin contacto
norm-state-queued = En espera
norm-state-sending = Saliendo
norm-state-accepted = Aceptado
norm-state-buffered = En la red
norm-state-delivered = Entregado
norm-state-failed = No llegó
norm-state-rejected = Rechazado
norm-state-expired = Vencido, no se envía
norm-state-unknown = Sin saber; no se repite
norm-state-read = Leído
norm-changed = Con lo observado hoy saldría otro texto.
norm-changed-detail = Después llegaron o se corrigieron observaciones. Lo que salió se conserva como salió.
norm-why-heading = Por qué
norm-row-who = Quién
norm-row-group = Grupo
norm-row-figure = Cifra
norm-row-own = Su registro
norm-row-rule = Regla
norm-row-hour = Hora
norm-row-arm = Brazo
norm-who-may = puede recibir: su consentimiento para mensajes está vigente, { $channel }
norm-who-may-not = no puede recibir: { $reason }
norm-withheld-no-consent = no ha dado su consentimiento
norm-withheld-consent-withdrawn = retiró su consentimiento
norm-withheld-no-contact = no tiene un contacto que su consentimiento cubra
norm-withheld-not-served = no tiene servicio de recolección
norm-withheld-contact-changed = su contacto cambió después
norm-withheld-no-text-in-language = falta el texto en su idioma y no aceptó español
norm-withheld-cap-week = ya recibió el máximo de la semana
norm-withheld-cap-28-days = ya recibió el máximo de 28 días
norm-withheld-no-allowed-hour = su ruta no tiene día, o toda la semana es de silencio
norm-withheld-message-value = un dato suyo no cabe en el mensaje y nunca se corta
norm-withheld-message-character = un dato suyo lleva una letra que el SMS no tiene
norm-withheld-message-text = el texto no cabe en un SMS
norm-group-segment = Cuadra
norm-group-route = Ruta
norm-group-neighbourhood = Vecindario
norm-group-municipality = Municipio
norm-group-none = ningún grupo tiene bastantes hogares observados
norm-homes = { $n } hogares vistos dos veces o más
norm-figure = «{ $tenth } de cada 10»: { $share } %, { $low } a { $high } de los hogares, redondeado hacia abajo
norm-figure-none = ninguna
norm-figure-source = Semanas { $from } a { $to }, { $n } recolecciones observadas. Calculada el { $day }, vale hasta el { $until }.
norm-figure-rise = Antes { $before } de cada 10: cambio de { $rise } puntos, al menos { $low }.
norm-figure-id = Norma { $id }.
norm-figure-unsaved = Calculada ahora, sin guardar.
norm-own = cumplió en { $complied } de { $observed } recolecciones observadas de esas semanas
norm-wording = Texto { $name }
norm-rule-step = el mismo texto para todo su brazo esta semana
norm-rule-with-plan = recuerda el plan del hogar, con sus palabras
norm-rule-without-plan = todavía no hay plan: se le pregunta
norm-rule-thanks = solo gracias: el grupo ya está en el tope
norm-rule-approval = aprobación: el hogar ya cumple igual o más que su grupo
norm-rule-approval-own = aprobación sin cifra: el hogar cumple y el nivel del grupo es bajo
norm-rule-majority = mayoría: el límite inferior pasa de 50
norm-rule-static = norma estática: el límite inferior llega a 50
norm-rule-dynamic = norma dinámica: el nivel es bajo y la subida es segura
norm-rule-injunctive = lo que pide la norma nacional ({ $source }), cierto y con fuente
norm-rule-service = aviso de servicio: nada más es cierto
norm-hour = { $weekday } { $time }; no sale después de la recolección del { $collection }
norm-hour-none = ninguna hora permitida esa semana
norm-not-used-heading = Textos que no se usaron y por qué
norm-not-used-caption = Todos los textos de norma que existen, en orden de preferencia
norm-groups-heading = Grupos que no se usaron y por qué
norm-groups-caption = Del más cercano al más amplio; nunca se elige uno más amplio porque su cifra sea mejor
norm-column-text = Texto
norm-column-why = Por qué no
norm-text-thanks = Solo gracias
norm-text-approval = Aprobación con cifra
norm-text-approval-own = Aprobación sin cifra
norm-text-majority = «La mayoría»
norm-text-static = «n de cada 10»
norm-text-dynamic = «De n a m de cada 10»
norm-text-injunctive = Norma nacional
norm-text-service = Aviso de servicio
norm-answer-withheld = A este hogar no se le escribe: { $reason }.
norm-answer-stale = Cifra vencida hace { $days } días: no se envía.
norm-answer-step = Esta semana todo su brazo recibe el mismo texto.
norm-answer-thanks = Casi todo su grupo ya separa ({ $tenth } de cada 10): solo se agradece.
norm-answer-approval = Este hogar ya cumple igual o más que su grupo: se le agradece y no se compara.
norm-answer-approval-own = Este hogar cumple y su grupo todavía es bajo: se le agradece sin decir cifra.
norm-answer-majority = Se le dice lo que hacen sus vecinos: { $tenth } de cada 10, con seguridad más de la mitad.
norm-answer-static = Se le dice lo que hacen sus vecinos: { $tenth } de cada 10, con seguridad la mitad o más.
norm-answer-dynamic = Su grupo todavía es bajo, pero sube con seguridad: de { $before } a { $tenth } de cada 10.
norm-answer-injunctive = No hay cifra que sea cierto decir sin desanimar: se le dice lo que pide la norma nacional.
norm-answer-service = No hay norma que sea cierto decir: recibe el aviso de servicio.
norm-why-preferred = se prefirió: { $text }
norm-why-turn = también es cierto; las dos frases se turnan
norm-why-no-group = ningún grupo tiene bastantes hogares observados
norm-why-lower-bound = el límite inferior es { $low }; hace falta { $needs }
norm-why-no-earlier-window = no hay cuatro semanas anteriores con las que comparar
norm-why-rise-too-small = el cambio es de { $rise } puntos; hacen falta { $needs }
norm-why-rise-uncertain = la subida puede ser casualidad: su límite inferior es { $low } puntos
norm-why-same-tenth = las dos cifras redondeadas son iguales: { $tenth } de cada 10
norm-why-tenth-too-low = antes eran { $tenth } de cada 10: no se dice
norm-why-own-unknown = el hogar tiene { $observed } recolecciones observadas; hacen falta 3
norm-why-own-below = el hogar cumplió en { $complied } de { $observed }: menos que su grupo
norm-why-own-above = el hogar cumplió en { $complied } de { $observed }: no se le pone delante una cifra menor
norm-why-own-not-half = el hogar cumplió en { $complied } de { $observed }: la alabanza no sería cierta
norm-why-level-not-told = el nivel del grupo es bajo y no se dice
norm-why-ceiling = el grupo está en { $tenth } de cada 10: solo se agradece
norm-why-not-at-ceiling = el grupo está en { $tenth } de cada 10; el tope es { $ceiling }
norm-why-no-source = falta una norma con fuente
norm-group-why-unobserved = nadie visto dos veces o más, o menos de 20 hogares
norm-group-why-few = { $homes } hogares; hacen falta { $needs }
norm-group-why-wide = el margen es de ±{ $half } puntos; se permiten ±{ $needs }
norm-group-why-nearer = basta uno más cercano: { $group }
visits-heading = ¿Qué puerta sigue?
visits-answer = Faltan { $n } entregas. Sigue el hogar { $code }. Entregadas esta semana: { $done }.
visits-none = Nada por entregar ahora.
visits-empty = Nada espera. Entregadas esta semana: { $done }. Las siguientes aparecen el lunes, mientras dure la campaña.
visits-before = antes del { $day }
visits-due = Para entregar desde el { $day }
visits-ask-plan = Espere la respuesta y anótela en la hoja con las palabras del hogar. No proponga un plan.
visits-delivered = Anotar entrega

## analysis

## map

## coordinator

## errors
error-household-unknown = No hay ningún hogar { $household } en este municipio. Revise el código de la puerta.
error-household-outside = El hogar { $household } no está en un segmento del ensayo esa semana: no recibe mensajes.
error-campaign-unknown = No hay ninguna campaña con ese nombre.
error-campaign-phase = Esa semana está fuera de la fase de mensajes. Nada se envía antes ni después.
error-delivery-late = La recolección ya empezó o el mensaje se detuvo. No lo entregue.
