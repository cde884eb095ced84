### Interface in Guatemalan Spanish: usted, present tense, at most 20 words a sentence. Keys are grouped by module; the same keys stand in en.ftl.

## page
to = a

## account

## web

## territory

## registry
registry-eyebrow = Registro social
registry-heading = { $total ->
    [0] Nadie espera en el registro
    [one] Un asunto espera al registro
   *[other] { $total } asuntos esperan al registro
  }
registry-answer = Personas propuestas, inscritas sin consentimiento o con un CUI por cotejar: { $total }. Hogares con servicio sin consentimiento de mensajes: { $homes }.
registry-no-pilot = Todavía no hay municipios con piloto. Cuando se configure uno, aquí estará su registro.
registry-nobody-waits = Nadie espera. Lo nuevo aparece aquí en cuanto se registra.
registry-people-word = { $n ->
    [one] persona
   *[other] personas
  }
registry-homes-word = { $n ->
    [one] hogar
   *[other] hogares
  }
registry-people-many = personas
registry-candidates-waste = Propuestas para el servicio de residuos
registry-candidates-finance = Propuestas para asesoría financiera
registry-candidates-school = Propuestas para la escuela
registry-candidates-gender = Propuestas para actividades de género
registry-candidates-why = Esperan que el módulo las inscriba. Mientras tanto no cuentan en ningún indicador.
registry-see-candidates = Ver propuestas
registry-enrolled-without = Inscritas sin consentimiento vigente
registry-enrolled-without-why = El módulo no ve sus nombres hasta que se registre el consentimiento. Búsquelas en las listas de cada módulo.
registry-cui-warnings = CUI por cotejar con el documento
registry-cui-warnings-why = El número se guardó tal como se dio. El dígito verificador o el lugar no coinciden.
registry-see-files = Ver fichas
registry-homes-consent = Sin consentimiento para mensajes
registry-homes-consent-why = No se les escribe. Pídalo en la próxima visita; decir que no también es una respuesta.
registry-homes-contact = Sin forma de contacto
registry-homes-contact-why = Tienen servicio pero ni teléfono ni entrega en papel.
registry-see-homes = Ver hogares
registry-and-more = y { $n } más
registry-cui-check_digit = el dígito verificador no coincide
registry-cui-place = el lugar de registro no existe
registry-cui-practice = número de práctica: no es de nadie
registry-search = Buscar en el registro
registry-search-label = Nombre, apellido, CUI o código del hogar
registry-search-help = No hacen falta tildes ni apóstrofos: «akabal» encuentra «Ak’abal». Cada búsqueda queda anotada.
registry-search-button = Buscar persona
registry-search-logged = Su búsqueda quedó anotada con su usuario y la hora, sin el texto buscado.
registry-search-none = Nadie con esas palabras. Pruebe con menos palabras o con un solo apellido.
registry-search-caption = Personas que llevan todas las palabras buscadas, por apellido
registry-search-limit = Se muestran las primeras { $n } de cada municipio. Agregue una palabra para acortar la lista.
registry-found = { $n ->
    [0] Nadie coincide
    [one] Una persona coincide
   *[other] { $n } personas coinciden
  }
registry-back = Registro
registry-name = Nombre
registry-birth-year = Año de nacimiento
registry-home = Hogar
registry-place = Municipio
registry-no-data = sin dato
registry-new = Registrar a una persona
registry-new-in = Registrar en { $place }
registry-new-answer = Solo nombres y apellidos son necesarios. Lo demás puede completarse después.
registry-problems = { $n ->
    [one] No se guardó: hay un dato por corregir
   *[other] No se guardó: hay { $n } datos por corregir
  }
registry-save-person = Guardar persona
registry-cancel = Volver sin guardar
registry-yes = Sí
registry-no = No
registry-field-given_names = Nombres
registry-field-surnames = Apellidos
registry-field-cui = CUI
registry-field-birth_date = Nacimiento
registry-field-sex = Sexo
registry-field-language = Idioma del hogar
registry-field-migration_status = Situación migratoria
registry-field-household = Código del hogar
registry-field-relation = Parentesco en el hogar
registry-field-since = Vive ahí desde
registry-field-phone = Teléfono
registry-field-channel = Canal
registry-field-spanish_allowed = ¿Puede recibir mensajes en español?
registry-field-consent_messages = ¿El hogar acepta recibir mensajes?
registry-field-purpose = Para qué
registry-field-given_on = Fecha del consentimiento
registry-field-how = Cómo lo dio
registry-field-guardian = ¿Lo dio la madre, el padre o el encargado?
registry-field-on = Desde el día
registry-help-surnames = Los dos, si los tiene. Escríbalos como en el documento, con tildes y apóstrofos.
registry-help-cui = 13 dígitos, con o sin espacios. Puede quedar vacío.
registry-help-birth_date = dd/mm/aaaa, solo el año (1988) o la edad (36).
registry-help-household = Como en la etiqueta de la puerta: dos letras, cuatro dígitos y un carácter.
registry-help-since = dd/mm/aaaa. Vacío: hoy.
registry-help-phone = Ocho dígitos; con + y código de país si es de fuera.
registry-help-given_on = dd/mm/aaaa. Vacío: hoy.
registry-sex-female = Mujer
registry-sex-male = Hombre
registry-sex-other = Otro
registry-sex-unknown = Sin dato
registry-language-es = Español
registry-language-mam = Mam
registry-migration-host = Comunidad de acogida
registry-migration-migrant = Migrante
registry-migration-returnee = Retornada
registry-migration-displaced = Desplazada por la fuerza
registry-migration-remittance_household = Hogar con remesas
registry-migration-unknown = Sin dato
registry-relation-head = Jefa o jefe del hogar
registry-relation-partner = Pareja
registry-relation-child = Hija o hijo
registry-relation-parent = Madre o padre
registry-relation-sibling = Hermana o hermano
registry-relation-other_relative = Otro familiar
registry-relation-not_related = Sin parentesco
registry-relation-unknown = Sin dato
registry-precision-year = solo el año
registry-precision-age = según la edad dicha
registry-age = { $n } años
registry-file = Ficha
registry-file-answer = Participa en { $enrolled ->
    [0] ningún módulo
    [one] un módulo
   *[other] { $enrolled } servicios
  }. Consentimientos vigentes, suyos y del hogar: { $consents }. Abrir esta ficha quedó anotado.
registry-identity = Identidad
registry-identity-caption = Datos como se registraron
registry-recorded = Registro
registry-homes = Dónde vive
registry-homes-caption = Hogares con sus fechas; el último día no cuenta
registry-no-home = No tiene hogar anotado.
registry-from = Desde
registry-to = Hasta
registry-present = hoy
registry-move = Anotar otro hogar
registry-save-home = Guardar hogar
registry-contacts = Cómo se contacta al hogar
registry-contacts-caption = Del número solo se ven los dos últimos dígitos
registry-no-contact = El hogar no tiene contacto anotado.
registry-number = Número
registry-ends-in = termina en
registry-no-number = sin número
registry-new-contact = Anotar otro contacto
registry-save-contact = Guardar contacto
registry-channel-sms = Mensaje de texto
registry-channel-whatsapp = WhatsApp
registry-channel-voice = Llamada
registry-channel-paper = Papel, entregado en casa
registry-consents = Qué aceptó
registry-consents-why = Un retiro vale de inmediato: desde ese momento no se le escribe ni se comparte nada.
registry-consents-caption = Consentimientos por propósito, del más reciente al más antiguo
registry-no-consent = No hay consentimientos. Sin ellos no se le escribe ni se le inscribe.
registry-given = Dado
registry-state = Estado
registry-withdraw = Anotar retiro
registry-withdrawn = Retirado
registry-holds = Vigente
registry-not-yet = Aún no vale
registry-of-home = del hogar
registry-of-person = de la persona
registry-by-guardian = por su encargado
registry-give-consent = Anotar un consentimiento
registry-save-consent = Guardar consentimiento
registry-purpose-messages = Mensajes al hogar
registry-purpose-research = Estudio del piloto
registry-purpose-finance = Asesoría financiera
registry-purpose-school = Escuela
registry-purpose-gender = Actividades de género
registry-purpose-sharing = Compartir con otra institución
registry-how-paper_form = formulario en papel
registry-how-visit = visita
registry-how-phone = llamada
registry-how-reply = respuesta a un mensaje
registry-enrolments = En qué participa
registry-enrolments-caption = Inscripciones de todos los módulos: solo el registro las ve juntas
registry-no-enrolment = No participa en ningún módulo.
registry-module = Módulo
registry-module-waste = Residuos
registry-module-finance = Finanzas
registry-module-school = Escuela
registry-module-gender = Género
registry-what = Servicio
registry-propose-waste = Proponer para residuos
registry-propose-finance = Proponer para finanzas
registry-propose-school = Proponer para la escuela
registry-propose-gender = Proponer para género
registry-save-proposal = Guardar propuesta
registry-detail-service = Servicio
registry-detail-partner = Con
registry-detail-school = Escuela
registry-detail-grade = Grado
registry-detail-school_year = Ciclo escolar
registry-detail-activity = Actividad
registry-service-collection = Recolección
registry-service-visit = Visita
registry-service-training = Capacitación
registry-service-advice = Asesoría
registry-service-savings = Ahorro
registry-service-credit = Crédito
registry-service-digital_wallet = Billetera digital
registry-service-entrepreneurship = Emprendimiento
registry-activity-asset_building = Formación de patrimonio
registry-activity-leadership = Liderazgo
registry-activity-dialogue = Diálogo
registry-activity-masculinities = Masculinidades
registry-grade-n = { $grade }.º básico
registry-history = Qué cambió
registry-history-caption = Cambios de esta ficha, del más reciente al más antiguo
registry-no-history = Sin cambios desde la carga inicial.
registry-when = Cuándo
registry-change = Cambio
registry-change-this = Cambiar
registry-who = Quién
registry-action-person-registered = Se registró la ficha
registry-action-person-moved = Cambió de hogar
registry-action-contact-added = Se anotó un contacto
registry-action-consent-given = Se dio un consentimiento
registry-action-consent-withdrawn = Se retiró un consentimiento
registry-action-enrolment-changed = Cambió una inscripción
registry-question-waste = ¿Quién recibe el servicio de residuos?
registry-question-finance = ¿Quién recibe asesoría financiera?
registry-question-school = ¿Quién estudia después de clases?
registry-question-gender = ¿Quién participa en las actividades de género?
registry-roll-answer = Inscripciones activas: { $enrolled }. En pausa: { $paused }. Por inscribir: { $candidates }.
registry-roll-caption = El código vale solo en este módulo. Ver esta lista queda anotado.
registry-roll-caption-no-names = Sin nombres: el código vale solo en este módulo
registry-filter = Lista
registry-list = Lista
registry-list-empty = No hay inscripciones así. Las propuestas llegan desde el registro.
registry-next-page = Ver las siguientes
registry-person = Persona
registry-status-all = Todas
registry-status-candidate = Propuesta
registry-status-enrolled = Inscrita
registry-status-paused = En pausa
registry-status-exited = Salió
registry-statuses-candidate = Propuestas
registry-statuses-enrolled = Inscritas
registry-statuses-paused = En pausa
registry-statuses-exited = Salieron
registry-reason-started = empezó
registry-reason-resumed = retomó
registry-reason-returned = volvió
registry-reason-absent = dejó de asistir
registry-reason-illness = enfermedad
registry-reason-work = trabajo
registry-reason-season = temporada
registry-reason-finished = terminó
registry-reason-moved_away = se mudó
registry-reason-own_wish = por decisión propia
registry-reason-not_eligible = no cumple los requisitos
registry-reason-consent_withdrawn = retiró su consentimiento
registry-step = Qué cambia y por qué
registry-save-step = Guardar cambio
registry-indicators = Indicadores
registry-on-track-question = ¿Vamos según lo previsto?
registry-indicators-answer = { $n } de { $all } indicadores van según lo previsto.
registry-programme-ended = El plazo terminó el { $day }: se compara con la meta completa.
registry-logframe = Metas y avance
registry-logframe-caption = Personas distintas de todos los municipios; quien participa en dos módulos cuenta una vez
registry-indicator = Indicador
registry-reached = Alcanzado
registry-target = Meta
registry-due-today = Previsto a hoy
registry-by-day = Plazo
registry-result-1 = Resultado 1: trabajo
registry-result-2 = Resultado 2: servicios básicos
registry-result-3 = Resultado 3: igualdad y juventud
registry-indicator-services_for_work = Personas con servicios para un trabajo nuevo o mejor
registry-indicator-work = Personas con trabajo nuevo o mejor
registry-indicator-basic_services = Personas con servicios básicos
registry-indicator-students = Estudiantes en cuatro escuelas
registry-indicator-advice_under_30 = Menores de 30 entre quienes reciben asesoría financiera, de cada 100
registry-definition-services_for_work = Con un servicio de finanzas o formación de patrimonio iniciado
registry-definition-work = Con un trabajo nuevo o mejor anotado y su evidencia
registry-definition-basic_services = Con recolección, visita o capacitación de residuos iniciada
registry-definition-students = Inscritos alguna vez en el programa después de clases
registry-definition-advice_under_30 = De 18 a 29 años el día en que empezó la asesoría
registry-on-track = Va según lo previsto
registry-below = Por debajo
registry-cannot-know = No se puede saber aún
registry-missing-people = faltan { $n } personas
registry-missing-points = { $n ->
    [one] falta 1 punto
   *[other] faltan { $n } puntos
  }
registry-of-people = de { $n } personas
registry-hidden = Menos de 5 personas: oculto
registry-rule = Regla: lo previsto crece en línea recta del primer al último día del programa; la proporción se espera completa desde el inicio. Es un conteo completo, sin margen de muestreo. El rango entre paréntesis, si aparece, viene de edades sin dato.
registry-who-are-they = ¿Quiénes son?
registry-hidden-rule = Los grupos de menos de 5 personas se ocultan. A veces se oculta otro más, para que nadie los calcule por resta.
registry-group = Grupo
registry-by-sex = Por sexo
registry-by-age = Por edad
registry-by-migration = Por situación migratoria
registry-by-language = Por idioma
registry-by-municipality = Por municipio de registro
registry-by-school = Por escuela
registry-age-to_17 = Hasta 17 años
registry-age-18_29 = 18 a 29 años
registry-age-30_44 = 30 a 44 años
registry-age-45_59 = 45 a 59 años
registry-age-from_60 = 60 años o más
registry-age-unknown = Sin dato
registry-source = De dónde salen las metas
registry-download-csv = Descargar tabla (CSV)

## trial

## observation

## norm

## analysis

## map

## coordinator

## errors
error-person-unknown = No existe esa persona aquí. Búsquela de nuevo.
error-person-name = Escriba al menos una palabra en nombres y una en apellidos.
error-cui-length = El CUI tiene 13 dígitos. Compárelo con el documento o déjelo vacío.
error-birth-date = Escriba dd/mm/aaaa, un año como 1988 o una edad como 36. No puede ser futura.
error-phone = El teléfono tiene ocho dígitos, o lleva + y el código de su país.
error-contact-address = Un canal con teléfono necesita número; el papel no lleva. Escriba el número o elija papel.
error-contact-unknown = No existe ese contacto aquí.
error-household-code = No hay un hogar con ese código. Compárelo con la etiqueta de la puerta.
error-household-needed = El teléfono y el permiso de mensajes son del hogar. Escriba su código.
error-household-unknown = No existe ese hogar en este municipio.
error-choice = Elija una de las opciones de la lista.
error-day = Escriba el día como dd/mm/aaaa, hoy o antes.
error-no-home = Esta persona no tiene hogar anotado. Anote primero su hogar.
error-membership-order = Su hogar actual cuenta desde el { $from }. Escriba un día posterior.
error-consent-day = Un consentimiento no puede ser futuro. Escriba el día en que se dio.
error-consent-guardian = Es o puede ser menor de 18 años. El consentimiento lo da su encargado.
error-consent-unknown = No existe ese consentimiento en esta ficha. Ábrala de nuevo.
error-consent-withdrawn = Ese consentimiento ya estaba retirado.
error-enrolment-unknown = No existe esa inscripción en este módulo. Vuelva a la lista.
error-enrolment-step = Ese paso no es posible desde el estado actual. Revise la lista: puede que alguien la haya cambiado.
error-enrolment-reason = Ese motivo no corresponde a este paso. Elija uno de la lista.
error-enrolment-day = El día debe estar entre el { $since } y hoy.
error-enrolment-consent = Falta el consentimiento de esta persona. Pida al registro que lo anote primero.
error-enrolment-detail = Elija una de las opciones de la lista.
error-finance-minor = El crédito es para adultos. Elija otro servicio.
error-school-year = Escriba un año, como 2026.
