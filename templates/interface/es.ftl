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
analysis-trials = Ensayos
analysis-no-trials = Todavía no hay ensayos. Aparecen aquí al congelar su protocolo.
analysis-trials-caption = Ensayos con protocolo congelado
analysis-trial = Ensayo
analysis-frozen = Protocolo congelado
analysis-may-i = ¿Puedo mirar ya?
analysis-what-changed = ¿Qué cambió cuando dijimos la verdad sobre los vecinos y pedimos un plan?
analysis-look = vista { $look }
analysis-eyebrow = Vista { $look } de { $looks }, abierta el { $day }
analysis-not-yet = Todavía no. La vista { $look } abre el { $day }, cuando se publique la semana { $week }. Mientras tanto solo se ven cifras de todos los hogares juntos.
analysis-waits = Todavía no. La vista { $look } espera a que se publique la semana { $week } en todos los municipios.
analysis-no-looks = El protocolo no prevé vistas: solo se ven cifras de todos los hogares juntos.
analysis-empty = Todavía no hay semanas publicadas. La primera sale el miércoles { $day }.
analysis-protocol = Protocolo
analysis-frozen-on = congelado el { $day } antes del sorteo
analysis-seed = semilla { $seed }
analysis-no-amendments = Sin enmiendas.
analysis-amendments = { $n ->
    [one] Una enmienda.
   *[other] { $n } enmiendas.
  }
analysis-weeks = semanas { $from } a { $to } ({ $first } al { $last })
analysis-estimand = Efecto por asignación, promedio por recolección observada, { $weeks }.
analysis-points = puntos
analysis-norm-up = Decir la verdad sobre los vecinos subió el cumplimiento
analysis-norm-down = Decir la verdad sobre los vecinos bajó el cumplimiento
analysis-norm-null = Con la norma la diferencia fue de
analysis-plan-up = Pedir un plan subió el cumplimiento
analysis-plan-down = Pedir un plan bajó el cumplimiento
analysis-plan-null = Con el plan la diferencia fue de
analysis-other-up = { $name }: el cumplimiento subió
analysis-other-down = { $name }: el cumplimiento bajó
analysis-other-null = { $name }: la diferencia fue de
analysis-cannot-say = : los datos no permiten afirmar que sirvió, ni que no.{" "}
analysis-not-computed = { $name }: los datos no alcanzan para calcular la diferencia.
analysis-no-number = no se puede calcular
analysis-no-data = sin dato
analysis-contrast-norm = Norma
analysis-contrast-plan = Plan
analysis-contrast-norm-plan = Norma × plan (interacción)
analysis-contrast-norm_alone = Solo norma frente a recordatorio
analysis-contrast-plan_alone = Solo plan frente a recordatorio
analysis-contrast-norm_and_plan = Norma y plan frente a recordatorio
analysis-primary-label = { $name } (contraste primario)
analysis-primary = primario
analysis-forest-caption = Diferencia en puntos porcentuales, con intervalo de 95 %
analysis-less = menos cumplimiento
analysis-more = más cumplimiento
analysis-forest-note = Cuadro: contraste primario. Círculo: secundario.
analysis-interaction-note = La interacción tiene poca potencia en este diseño (mínimo detectable, { $points } puntos).
analysis-figure-up = De cada 100 recolecciones, unas { $n } más cumplieron.
analysis-figure-down = De cada 100 recolecciones, unas { $n } menos cumplieron.
analysis-figure-null = El intervalo va de { $low } a { $high } puntos: los datos no permiten afirmar que sirvió, ni que no.
analysis-chance = Por azar se vería algo así en { $n } de cada { $of } sorteos.
analysis-chance-rare = Por azar se vería algo así en menos de 1 de cada 1,000 sorteos.
analysis-all-contrasts = Todos los contrastes
analysis-contrasts-caption = Puntos porcentuales de recolecciones observadas, { $weeks }. Errores CR2 por segmento, grados de libertad de Satterthwaite.
analysis-contrasts-counts = { $homes } hogares, { $segments } segmentos, { $n } recolecciones observadas.
analysis-col-contrast = Contraste
analysis-col-difference = Diferencia (IC 95 %)
analysis-col-se = Error est.
analysis-col-df = gl
analysis-col-p = p
analysis-col-holm = p Holm
analysis-col-randomisation = p aleatoriz.
analysis-col-wild = p wild
analysis-sub-df = gl { $df }
analysis-sub-holm = p Holm { $p }
analysis-group-primary = Primarios, corregidos por Holm
analysis-group-secondary = Secundarios
analysis-group-ancova = Comprobación por medias de segmento (ANCOVA, para auditoría)
analysis-uncorrected = secundario, sin corregir
analysis-check = comprobación
analysis-icc = Parecido dentro del segmento (ICC): { $icc }. Efecto de diseño: { $effect }. La p de aleatorización repite el sorteo del protocolo con la t de CR1; la p wild es WCR11.
analysis-flow = Quiénes entraron y quiénes quedaron
analysis-segments = { $n ->
    [one] 1 segmento
   *[other] { $n } segmentos
  }
analysis-flow-assessed = evaluados, { $homes } hogares con servicio
analysis-flow-out = fuera antes del sorteo
analysis-out-few-homes = { $n } con pocos hogares observados
analysis-out-no-baseline = { $n } sin línea base
analysis-flow-assigned = sorteados en { $strata } estratos, { $homes } hogares
analysis-flow-caption = Por brazo, en las semanas de mensajes. «No observada» nunca es «no cumplió».
analysis-flow-sub = { $segments } segmentos, { $homes } hogares, { $n } recolecciones
analysis-arm = Brazo
analysis-all-arms = Todos
analysis-col-segments = Segmentos
analysis-col-homes = Hogares
analysis-col-messaged = Con mensaje
analysis-col-analysed = Analizados
analysis-col-collections = Recolecciones
analysis-col-observed = Observadas
analysis-col-not-observed = No observadas
analysis-col-due-collections = Previstas
analysis-weekly = Semana a semana
analysis-weekly-what = De cada 100 recolecciones observadas, cuántas cumplieron. La banda es el intervalo de 95 % por segmento.
analysis-and-dashed = y { $arm } (a rayas)
analysis-as-table = Ver como tabla
analysis-path-caption = Cumplieron de cada 100 recolecciones observadas, con intervalo de 95 % por segmento
analysis-of-100 = de cada 100
analysis-week = semana
analysis-messages-start = empiezan mensajes
analysis-messages-stop = paran mensajes
analysis-pooled = Todos los hogares juntos
analysis-through = Hasta la semana { $week } del ensayo, la última publicada.
analysis-pooled-caption = De cada 100 recolecciones observadas, cuántas cumplieron, con intervalo de 95 % por segmento
analysis-observed-heading = ¿Cuánto se observó?
analysis-observed-of = { $observed } de { $due } recolecciones previstas
analysis-delivered-heading = ¿Llegaron los mensajes?
analysis-habit = ¿Se volvió costumbre?
analysis-habit-what = Un hogar cuenta cuando cumplió en al menos 6 de sus últimas 8 recolecciones observadas desde que empezaron los mensajes. Es una foto, no un tiempo.
analysis-habit-caption = Hogares de cada 100 con costumbre, con intervalo de 95 % por segmento. La raya es el primer brazo.
analysis-col-of-100-homes = De cada 100 hogares
analysis-habit-sub = { $homes } hogares con 8 recolecciones
analysis-bar = Barra
analysis-balance = ¿Eran parecidos al empezar?
analysis-balance-what = Diferencia estandarizada frente a { $arm }, por segmento. { $legend }.
analysis-balance-p = Prueba conjunta por aleatorización: p = { $p }.
analysis-balance-caption = Diferencias estandarizadas de la línea base
analysis-col-variable = Variable
analysis-variable-complied = Recolecciones que cumplieron
analysis-variable-set-out = Recolecciones en que el hogar sacó basura
analysis-variable-observed = Recolecciones previstas que se observaron
analysis-variable-homes = Hogares por segmento
analysis-arrived = ¿Llegaron los mensajes?
analysis-arrived-what = Uno por semana en todos los brazos; la línea marca el mínimo de 80 %.
analysis-fidelity-caption = Mensajes de las semanas de mensajes
analysis-col-delivered = Entregados
analysis-col-delivered-short = Entreg.
analysis-col-due = Debidos
analysis-col-sent = Enviados
analysis-fidelity-sub = { $delivered } de { $due } debidos
analysis-missing = ¿Se observó igual en todos los brazos?
analysis-missing-what = Se observó entre { $low } % y { $high } % de lo previsto; la diferencia mayor es de { $difference } puntos.
analysis-missing-p = Por aleatorización, p = { $p }.
analysis-missing-caption = Recolecciones previstas en las semanas de mensajes. «No observada» nunca es «no cumplió».
analysis-before-quoting = Antes de citar estas cifras
analysis-attention = Atención
analysis-explore = Explorar
analysis-exploratory = Todo lo que no está en el protocolo es exploratorio
analysis-exploratory-what = Subgrupos, otros periodos y otras definiciones se nombran así cuando se publican.
analysis-next-look = La vista { $look } aún no existe
analysis-next-look-what = Nada en esta página dice si el efecto dura. Hasta el { $day } lo que sigue solo se verá sin separar por brazo.
analysis-warning-no-registry-number = El protocolo aún no tiene número de registro.
analysis-warning-no-ethics-approval = El protocolo aún no nombra una aprobación de ética.
analysis-warning-amended = El protocolo se enmendó { $n } veces después de congelarlo: lea las enmiendas.
analysis-warning-not-computed = No se pudo calcular ({ $what }): los datos no alcanzan.
analysis-warning-no-messages-data = Ninguna semana de mensajes está publicada: no se estima nada.
analysis-warning-few-degrees = Solo hay { $df } grados de libertad: no cite una p sin la de aleatorización al lado.
analysis-warning-empty-arm = Ningún segmento quedó en: { $arms }.
analysis-warning-silent-segments = { $n } segmentos sorteados no tienen ninguna recolección observada.
analysis-warning-missing-differs = Lo observado difiere entre brazos más de lo que explica el azar: lea los contrastes con cuidado.
analysis-warning-low-delivery = En { $arm } se entregaron menos de 80 de cada 100 mensajes debidos.
analysis-warning-no-messages = No se debía ningún mensaje en estas semanas.
analysis-warning-not-the-end = Los datos terminan en la semana { $week } del ensayo: nada aquí dice si un efecto dura.
analysis-warning-habit-simple = La costumbre se muestra como foto; el tiempo hasta lograrla y su p quedan para otra versión.
analysis-warning-no-spillover = El contagio entre brazos por distancia aún no se calcula.
analysis-ask-heading = Pedir una vista fuera de plan
analysis-ask-what = Pedirla no abre nada: queda escrito quién la pidió, cuándo y por qué.
analysis-ask-reason = ¿Por qué no se puede esperar?
analysis-ask-send = Dejar escrita la petición
analysis-asked = La petición quedó escrita.
analysis-asked-what = Las cifras por brazo siguen cerradas hasta la próxima vista.
analysis-download = Descargar informe (JSON)
analysis-print = Imprimir informe
analysis-computed = Calculado el { $at }, fuente

## map

## coordinator

## errors
error-look-reason = Escriba por qué no se puede esperar a la vista planeada.
error-look-reason-long = El motivo pasa de 2,000 caracteres. Acórtelo.
error-trial-unknown = No hay un ensayo con ese nombre a su alcance.
