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

## coordinator

## errors
error-credentials = El usuario o la contraseña no coinciden.
error-too-many-attempts = Demasiados intentos. Pruebe de nuevo a las { $time }.
error-csrf = El formulario venció. Cargue la página de nuevo y repita.
error-foreign-origin = La solicitud vino de otro sitio y no se aceptó. Entre desde esta página.
error-method = Esta dirección no admite esa acción. Vuelva al inicio.
error-storage-full = El disco del servidor está lleno. No se guardó nada; avise a la administración.
error-storage-read-only = El servidor no puede escribir. No se guardó nada; avise a la administración.
