### Interface in Guatemalan Spanish: usted, present tense, at most 20 words a sentence. Keys are grouped by module; the same keys stand in en.ftl.

## page
to = a

## account
role-crew = Cuadrilla
role-crew-lead = Jefatura de cuadrillas
role-coordinator = Saneamiento
role-visitor = Visitas
role-researcher = Investigación
role-mayor = Alcaldía
role-registrar = Registro
role-finance = Finanzas
role-school = Escuela
role-gender = Género
role-partner = Socio
role-auditor = Auditoría
role-admin = Administración

## web
nav-main = Principal
nav-crew = Ruta
nav-today = Hoy
nav-rounds = Rutas
nav-map = Mapa
nav-visits = Visitas
nav-indicators = Indicadores
nav-campaigns = Mensajes
nav-trial = Ensayo
nav-registry = Registro
nav-finance = Finanzas
nav-school = Escuela
nav-gender = Género
nav-accounts = Cuentas
nav-audit = Bitácora
nav-api = Interfaz
web-skip = Ir al contenido
web-practice-label = Aviso de práctica
web-practice = Ciudad de práctica: nada de lo que vea es real.
web-sign-out = Salir
web-foot = Horas de Guatemala. Las semanas van de lunes a domingo y llevan el número de la norma ISO 8601.
web-language = Idioma
web-theme = Colores
web-theme-auto = Automático
web-theme-light = Claro
web-theme-dark = Oscuro
web-theme-sun = Sol
web-login = Usuario
web-password = Contraseña
web-sign-in = Entrar
web-sign-in-heading = ¿Quién es usted?
web-sign-in-help = Revise las mayúsculas. Si la olvidó, pida otra a la administración.
web-back-home = Ir al inicio
web-error = Error
web-heading-not-found = Aquí no hay nada
web-heading-forbidden = Esta página no es para su cuenta
web-heading-failed = Ahora no se puede
web-heading-refused = No se pudo hacer
web-error-refused = No se cambió nada. Revise lo que escribió y pruebe otra vez.
web-error-not-found = La dirección no existe o su cuenta no llega hasta ahí.
web-error-unauthenticated = Primero entre con su usuario.
web-error-forbidden = Su cuenta no abre esta página. Si la necesita, pídala a la administración.
web-error-conflict = Otra persona lo cambió antes. Cargue la página de nuevo y repita.
web-error-too-large = Lo que envió es demasiado grande. Divídalo y envíe cada parte.
web-error-too-many = Demasiadas veces seguidas. Espere unos minutos y pruebe de nuevo.
web-error-unavailable = No se guardó nada. Espere un momento y pruebe de nuevo.
web-error-internal = Algo falló aquí, no en lo que usted hizo. Ya quedó anotado; pruebe de nuevo.
landing-heading = ¿Por qué puerta entra?
landing-answer = Cada puerta es un papel en el mismo piloto. Todos ven la misma ciudad; cada quien, lo suyo.
landing-logins = Usuarios de práctica
landing-logins-caption = Los mismos usuarios sirven en la página de entrada.
landing-role = Papel
landing-reach = Alcance
landing-everywhere = todos los municipios
landing-operator = operador
place-1202 = San Pedro Sacatepéquez
place-0114 = Amatitlán
door-crew = ¿Cuál es la próxima parada?
door-crew-lead = ¿Quién está en ruta y qué quedó sin hacer?
door-coordinator = ¿Qué va tarde hoy?
door-visitor = ¿Qué puerta sigue?
door-researcher = ¿Ya puedo ver, y qué dice?
door-mayor = ¿Dónde va mejor y dónde va peor?
door-registrar = ¿Quién espera?
door-finance = ¿Quién recibe asesoría financiera?
door-school = ¿Quién está inscrito en las cuatro escuelas?
door-gender = ¿Cuántas mujeres y cuántos hombres participan?
door-partner = ¿Cómo se conecta otro sistema?
door-auditor = ¿Quién hizo qué, y está completo el registro?
door-admin = ¿Quién puede entrar y qué teléfonos envían?
enter-crew = Entrar como cuadrilla
enter-crew-lead = Entrar como jefatura
enter-coordinator = Entrar como saneamiento
enter-visitor = Entrar como visitas
enter-researcher = Entrar como investigación
enter-mayor = Entrar como alcaldía
enter-registrar = Entrar como registro
enter-finance = Entrar como finanzas
enter-school = Entrar como escuela
enter-gender = Entrar como género
enter-partner = Entrar como socio
enter-auditor = Entrar como auditoría
enter-admin = Entrar como administración
api-heading = ¿Cómo se conecta otro sistema?

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
map-heading-complied = ¿Dónde se separa mejor la basura?
map-heading-set-out = ¿Dónde se saca más la basura el día que toca?
map-published = publicado el { $day } · revisión { $revision }
map-answer-complied = De cada 100 recolecciones observadas, *{ $rate } cumplieron* ~({ $low } a { $high })~.
map-answer-set-out = De cada 100 recolecciones observadas, en *{ $rate }* el hogar *sacó su basura* ~({ $low } a { $high })~.
map-answer-places = { $below ->
    [0] Ningún vecindario está
    [one] *1 vecindario* está
   *[other] *{ $below } vecindarios* están
} claramente por debajo del municipio y { $above ->
    [0] ninguno
   *[other] *{ $above }*
} claramente por encima{ $alike ->
    [0] .
    [one] ; en el otro la diferencia puede ser casualidad.
   *[other] ; en los otros { $alike } la diferencia puede ser casualidad.
}
map-answer-none = Ningún vecindario se distingue claramente del municipio: las diferencias pueden ser casualidad.
map-answer-hidden = La cifra del municipio se oculta en este periodo para no señalar a nadie.
map-empty = Todavía no hay semanas publicadas.
map-empty-first = La primera sale el miércoles { $day }.
map-empty-unknown = La primera sale el miércoles siguiente a la primera semana con recolecciones observadas.
map-places = Vecindarios del municipio
map-approximate = Mapa aproximado: los límites y posiciones de los vecindarios no son oficiales.
map-note-signs = El número lleva a la tabla, que dice lo mismo con palabras. ▲ y ▼ marcan las diferencias claras.
map-note-breaks = Las clases de color son provisionales hasta que se publique la línea de base.
map-points-approximate = Rutas y puntos aproximados.
map-north = Norte arriba
map-north-approximate = Norte arriba. Aproximado
map-inset = Casco urbano, ampliado
map-caption-complied = De cada 100 recolecciones observadas, cuántas cumplieron
map-caption-set-out = De cada 100 recolecciones observadas, en cuántas se sacó la basura
map-picture-complied = { $place }: de cada 100 recolecciones observadas, cuántas cumplieron; { $period }
map-picture-set-out = { $place }: de cada 100 recolecciones observadas, en cuántas se sacó la basura; { $period }
map-title = { $name }: { $rate } ({ $low } a { $high }), { $homes } hogares, { $n } recolecciones
map-title-hidden = { $name }: oculto para no señalar a nadie
map-hidden = Oculto para no señalar a nadie
map-measure = Qué se cuenta
map-measure-complied = Separaron bien
map-measure-set-out = Sacaron su basura
map-kind = Periodos
map-kind-week = Cada semana
map-kind-block = Cuatro semanas
map-kind-phase = Etapas del ensayo
map-slider = Periodo publicado:
map-see = Ver este periodo
map-see-layers = Ver el mapa así
map-layer-routes = Rutas
map-layer-points = Puntos
map-legend-below = menos de { $to }
map-legend-between = { $from } a { $to }
map-legend-above = { $from } o más
map-legend-hidden = oculto
map-legend-complied = Leyenda: cumplieron de cada 100
map-legend-set-out = Leyenda: sacaron su basura de cada 100
map-table-margin = Entre paréntesis, el margen: el valor verdadero cae dentro en 95 de cada 100 casos.
map-table-whole = La línea gris es el municipio: { $rate } ({ $low } a { $high }), { $homes } hogares, { $n } recolecciones.
map-table-number = Número en el mapa
map-table-place = Vecindario
map-table-complied = Cumplieron
map-table-set-out = Sacaron
map-table-of-hundred = de cada 100
map-table-scale = Margen en la
map-table-scale-ends = escala 0 a 100
map-table-change = Cambio
map-table-since-week = desde la semana anterior
map-table-since-block = desde las 4 semanas anteriores
map-table-since-phase = desde la etapa anterior
map-group-below = Claramente menos que el municipio ▼: { $n }
map-group-alike = Sin diferencia clara con el municipio: { $n }
map-group-above = Claramente más que el municipio ▲: { $n }
map-group-shown = Vecindarios: { $n }
map-group-hidden = Ocultos: { $n }
map-counts = { $homes } hogares, { $n } recolecciones
map-counts-sentence = { $homes } hogares, { $n } recolecciones.
map-change-first = primer periodo
map-change-none = sin comparación
map-csv = Descargar CSV
map-svg = Abrir la imagen
map-print = Imprimir una hoja
map-how = Cómo leer esta página
map-how-complied = Una recolección *cumple* cuando el hogar sacó la basura, era la clase de ese día, iba separada y sin mezcla grave. Si el hogar no la sacó, no cumple. Si la cuadrilla no pasó o no lo vio, no cuenta.
map-how-set-out = Una recolección cuenta cuando la cuadrilla vio si el hogar *sacó su basura*, separada o no. Si la cuadrilla no pasó o no lo vio, no cuenta.
map-how-chance = Con { $places } vecindarios, uno o dos pueden parecer distintos por casualidad.
map-how-hidden = Los lugares con menos de 10 hogares observados no se muestran, ni se pueden calcular por resta: por eso se oculta también algún otro, y lo oculto en una semana se oculta en los periodos largos.
map-place-heading = ¿Cómo va { $name }?
map-place-complied = En { $name }, de cada 100 recolecciones observadas, *{ $rate } cumplieron* ~({ $low } a { $high })~.
map-place-set-out = En { $name }, de cada 100 recolecciones observadas, en *{ $rate }* el hogar sacó su basura ~({ $low } a { $high })~.
map-place-below = Es claramente menos que el municipio: *{ $rate }* ~({ $low } a { $high })~.
map-place-above = Es claramente más que el municipio: *{ $rate }* ~({ $low } a { $high })~.
map-place-alike = No se distingue del municipio: *{ $rate }* ~({ $low } a { $high })~.
map-place-hidden = Las cifras de { $name } se ocultan en este periodo para no señalar a nadie.
map-back = Volver al mapa de { $place }
map-path-complied = Cumplieron de cada 100 recolecciones observadas, semana a semana
map-path-set-out = Sacaron su basura en cada 100 recolecciones observadas, semana a semana
map-path-note = Línea llena: este vecindario, con su margen. Línea a rayas: el municipio. Donde falta la línea, la semana se oculta.
map-axis-week = semana
map-axis-weeks = semanas desde la primera
map-as-table = Ver como tabla
map-week-column = Semana
map-here = Aquí
map-municipality = Municipio
map-split = ¿Qué se vio en cada recolección?
map-split-caption = De { $n } recolecciones observadas en el periodo.
map-split-what = Lo que se vio
map-split-complied = Bien separada
map-split-set-out = La sacó, pero a medias o mezclada
map-split-none = No la sacó
map-split-of = { $y } de { $n }
map-truck = ¿Cuándo pasa el camión?
map-truck-none = No hay rutas registradas en este vecindario.
map-truck-caption = Rutas con paradas en este vecindario, hora de Guatemala.
map-truck-day = Día
map-truck-hours = Horario
map-truck-bags = Qué recoge
map-day-1 = Lunes
map-day-2 = Martes
map-day-3 = Miércoles
map-day-4 = Jueves
map-day-5 = Viernes
map-day-6 = Sábado
map-day-7 = Domingo
map-stream-organic = orgánico
map-stream-recyclable = reciclable
map-stream-residual = lo demás
map-stream-mixed = las tres clases, cada una aparte

## coordinator

## errors
error-municipality-unknown = No hay ese municipio a su alcance. Revise la dirección.
error-municipality-code = «{ $code }» no es un código de municipio. Use los cuatro dígitos del INE, como 1202.
error-neighbourhood-unknown = No hay un vecindario «{ $area }» aquí. Vuelva al mapa y elija uno.
error-measure = «{ $measure }» no se publica. Elija complied o set_out.
error-period = «{ $period }» no es un periodo. Escriba una semana como 2026-W44 o cuatro semanas como 2026-B11.
error-period-unpublished = Ese periodo no está publicado. Se publica el miércoles siguiente a su última semana.
error-period-kind = «{ $kind }» no es una clase de periodo. Elija week, block o phase.
error-period-step = «{ $step }» no es un paso del deslizador. Vuelva al mapa y muévalo otra vez.
error-credentials = El usuario o la contraseña no coinciden.
error-too-many-attempts = Demasiados intentos. Pruebe de nuevo a las { $time }.
error-csrf = El formulario venció. Cargue la página de nuevo y repita.
error-foreign-origin = La solicitud vino de otro sitio y no se aceptó. Entre desde esta página.
error-method = Esta dirección no admite esa acción. Vuelva al inicio.
error-storage-full = El disco del servidor está lleno. No se guardó nada; avise a la administración.
error-storage-read-only = El servidor no puede escribir. No se guardó nada; avise a la administración.
