### Interface in Guatemalan Spanish: usted, present tense, at most 20 words a sentence. Keys are grouped by module; the same keys stand in en.ftl.

## page
to = a

## account
accounts-heading = ¿Quién puede entrar y qué teléfonos envían?
accounts-answer = { $people ->
    [one] Una persona puede entrar
   *[other] { $people } personas pueden entrar
} y { $phones ->
    [one] un teléfono puede enviar.
   *[other] { $phones } teléfonos pueden enviar.
}
accounts-people = Personas
accounts-caption = { $n } cuentas, por papel. Cerrar una cuenta termina sus sesiones al instante; lo que hizo sigue anotado.
accounts-login = Usuario
accounts-login-help = De 2 a 60 letras minúsculas sin tilde, números, puntos o guiones.
accounts-role = Papel
accounts-reach = Alcance
accounts-state = Estado
accounts-everywhere = Todos los municipios
accounts-operator = operador
accounts-operator-code = Operador
accounts-operator-help = Solo para cuadrilla y jefatura: el código de la empresa o del municipio.
accounts-municipality = Municipio
accounts-active = Activa
accounts-own = Su cuenta
accounts-disabled = Cerrada el { $day }
accounts-disable = Cerrar la cuenta
accounts-renew = Dar otra contraseña
accounts-add = Agregar una persona
accounts-add-button = Agregar persona
accounts-password = Contraseña de { $login }:
accounts-password-once = Se muestra una sola vez. Entréguela en persona; puede cambiarla al entrar.
accounts-problem = No se agregó la cuenta. Corrija el formulario de abajo y envíelo otra vez.
accounts-problem-other = Algo del formulario no se pudo aceptar.
accounts-devices = Teléfonos
accounts-devices-caption = Un teléfono revocado deja de enviar al instante; lo que guarda sin enviar se recupera con la jefatura.
accounts-device = Teléfono
accounts-seen = Última señal
accounts-never-seen = Sin señal todavía
accounts-no-devices = Todavía no hay teléfonos. Se agregan con «vecino token create --role crew --device NOMBRE».
accounts-revoke = Revocar el teléfono
audit-heading = ¿Quién hizo qué, y está completo el registro?
audit-empty = Todavía no hay anotaciones. La primera aparece cuando alguien entra.
audit-installation = Instalación
audit-whole = El registro está completo.
audit-whole-detail = Se recalcularon { $chains ->
    [one] una cadena
   *[other] { $chains } cadenas
} con { $entries } anotaciones y todas coinciden.
audit-broken = { $n ->
    [one] Una cadena no coincide.
   *[other] { $n } cadenas no coinciden.
}
audit-broken-detail = Alguien cambió o quitó anotaciones. Compare con una copia de respaldo.
audit-broken-what = Lo que no coincide
audit-unchecked = Hay { $entries } anotaciones en { $chains } cadenas. Todavía no se comprobaron en esta lectura.
audit-chains = Cadenas
audit-chains-caption = Cada anotación lleva la huella de la anterior: ninguna se cambia ni se quita sin que se note.
audit-chain = Cadena
audit-entries = Anotaciones
audit-state = Estado
audit-state-whole = Completa
audit-state-broken = No coincide
audit-state-unchecked = Sin comprobar
audit-check = Comprobar ahora
audit-chain-heading = { $place }, { $stream }
audit-entries-caption = De la más nueva a la más antigua. Leer esta página también se anota.
audit-number = N.º
audit-when = Cuándo
audit-what = Qué
audit-who = Quién
audit-detail = Detalle
audit-older = Ver anteriores
stream-account = cuentas
stream-sync = recolecciones
stream-trial = ensayo
action-signed-in = Entró
action-signed-out = Salió
action-account-added = Agregó una cuenta
action-account-disabled = Cerró una cuenta
action-password-renewed = Dio otra contraseña
action-password-changed = Cambió su contraseña
action-device-revoked = Revocó un teléfono
action-token-created = Hizo una ficha de acceso
action-audit-read = Leyó la bitácora
password-heading = ¿Qué contraseña quiere usar?
password-answer = Al menos { $least } caracteres. Una frase corta se recuerda mejor que una palabra rara.
password-current = Contraseña actual
password-new = Contraseña nueva
password-again = La nueva, otra vez
password-change = Cambiar contraseña
password-changed = Contraseña cambiada
password-changed-next = Entre de nuevo con la nueva. Sus otras sesiones terminaron.
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
api-answer = Con una ficha de acceso y tres direcciones. El documento completo, para programas, está en
api-sign-in = Ficha de acceso
api-token = Quien administra la instalación hace la ficha. Va en cada solicitud y dice a qué municipio y operador llega.
api-parameters = Parámetros de la dirección
api-answers = Respuestas
api-name = Nombre
api-meaning = Qué significa
api-status = Estado
api-shapes = Formas de los datos

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
rounds-answer = Rutas que salieron: { $out } de { $rounds }. Paradas hechas: { $done } de { $planned }; no hechas con motivo: { $missed }.
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
rounds-unsettled = Anotaciones que esperan a una persona: { $n }
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
error-login = Ese nombre de usuario no se puede usar. Escriba de 2 a 60 letras minúsculas, números, puntos o guiones.
error-login-taken = El usuario «{ $login }» ya existe. Escoja otro.
error-role = Ese papel no existe. Escoja uno de la lista.
error-municipality-missing = Ese papel trabaja en un municipio. Escójalo.
error-municipality-unknown = No hay ningún municipio con el código { $code }.
error-operator-missing = Ese papel pertenece a un operador. Escriba su código.
error-operator-unknown = Ese municipio no tiene el operador «{ $code }».
error-operator-without-municipality = Para un operador escoja primero su municipio.
error-own-account = Nadie cierra su propia cuenta. Pídalo a otra persona de administración.
error-practice-password = En la ciudad de práctica las contraseñas no cambian.
error-password-short = La contraseña nueva es muy corta: escriba al menos { $least } caracteres.
error-password-differs = Las dos veces no escribió lo mismo. Escriba la nueva otra vez.
error-password-wrong = La contraseña actual no coincide.
error-credentials = El usuario o la contraseña no coinciden.
error-too-many-attempts = Demasiados intentos. Pruebe de nuevo a las { $time }.
error-csrf = El formulario venció. Cargue la página de nuevo y repita.
error-foreign-origin = La solicitud vino de otro sitio y no se aceptó. Entre desde esta página.
error-method = Esta dirección no admite esa acción. Vuelva al inicio.
error-storage-full = El disco del servidor está lleno. No se guardó nada; avise a la administración.
error-storage-read-only = El servidor no puede escribir. No se guardó nada; avise a la administración.
