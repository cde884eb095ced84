// One screen: which stop is next, and what was found there. One touch a stop; the next stop shows when this one is on disk.
const box = await import(`./outbox.js${new URL(import.meta.url).search}`);

const $ = (id) => document.getElementById(id);
const words = JSON.parse($("palabras").textContent);
const say = (key, values = {}) => Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), words[key] ?? key);
const hour = (at) => new Date(at).toTimeString().slice(0, 5);

// What each key means on the wire. The four outcomes cost one touch each.
const MEANING = {
  bien: { set_out: "yes", separated: "yes" }, medio: { set_out: "yes", separated: "partly" },
  mal: { set_out: "yes", separated: "no" }, no: { set_out: "no" },
  undone: { set_out: "unknown" },
};
const meaning = (outcome) => MEANING[outcome] ?? { reason: outcome };

const app = $("calle");
const state = { login: app.dataset.login, csrf: app.dataset.csrf, token: undefined, day: undefined, round: undefined, rows: [], at: undefined, busy: false, fix: undefined, link: "asking", storage: undefined };

// ---- what is known of each stop ----
const ofHome = (code) => state.rows.filter((row) => row.round === state.round?.round && row.household === code);
function outcomeOf(code) {
  const rows = ofHome(code).filter((row) => row.state !== "attention");
  const outcome = rows.at(-1)?.outcome;
  return outcome === "undone" ? undefined : outcome;
}
const stops = () => state.round?.stops ?? [];
const current = () => stops()[state.at];
function nextAfter(at) {
  const order = stops().map((_, i) => (at + 1 + i) % stops().length);
  return order.find((i) => !outcomeOf(stops()[i].household));
}

// ---- drawing ----
const text = (id, value) => { const node = $(id); if (node.textContent !== value) node.textContent = value; };
function metres(stop) {
  if (!state.fix || Date.now() - state.fix.at > 15000) return "";
  const east = (stop.lon - state.fix.lon) * 111320 * Math.cos((stop.lat * Math.PI) / 180);
  return say("far", { n: Math.round(Math.hypot(east, (stop.lat - state.fix.lat) * 110574)) });
}

function draw() {
  const done = stops().filter((stop) => outcomeOf(stop.household)).length;
  const stop = current();
  app.dataset.estado = !state.round ? "sin-ruta" : stop ? "parada" : "terminada";
  $("abrir-lista").disabled = !state.day;
  text("ruta", state.round ? state.round.name : say("no-route"));
  text("n", state.round ? say("progress", { n: done, total: stops().length }) : "");
  text("hoy", stop ? say(`stream-${state.round.stream}`) : "");
  text("casa", stop ? stop.household : state.round ? say("finished") : say(!state.day ? "waiting" : state.day.rounds.length ? "choose" : "no-rounds"));
  const before = stop && outcomeOf(stop.household);
  text("sena", stop ? (before ? say("correcting", { outcome: say(`outcome-${before}`) }) : stop.hint ?? "") : state.round ? say("finished-help", { n: done, total: stops().length }) : !state.day && state.link !== "asking" ? say(state.link === "refused" ? "refused-help" : "waiting-help") : "");
  text("lejos", stop ? [metres(stop), stop.double ? say("double") : ""].filter(Boolean).join(" · ") : "");
  for (const key of document.querySelectorAll("#teclas .tecla")) key.disabled = !stop || state.busy;
  drawQueue();
  drawLast();
  drawChoice();
}

function drawQueue() {
  const waiting = state.rows.filter((row) => row.state === "waiting");
  const attention = state.rows.filter((row) => row.state === "attention").length;
  const oldest = Math.min(...waiting.map((row) => row.seq));
  const lines = !waiting.length
    ? [say("all-sent"), ""]
    : [say("unsent", { n: waiting.length }), say(Date.now() - oldest > 8 * 3600000 ? "look-for-signal" : "since", { at: hour(oldest) })];
  if (attention) lines[1] = say("attention", { n: attention });
  if (state.link === "refused") lines[1] = say("refused");
  text("cola1", lines[0]);
  text("cola2", lines[1]);
}

const last = () => state.rows.filter((row) => row.household && row.round === state.round?.round && row.state !== "attention").at(-1);
function drawLast() {
  const row = last();
  $("hecho").dataset.vacio = row ? "" : "1";
  $("deshacer").hidden = !row || row.outcome === "undone";
  if (!row) { text("ult", say("nothing-yet")); text("ult2", ""); return; }
  text("ult", `${row.household}: ${say(`outcome-${row.outcome}`)}`);
  text("ult2", row.state === "sent" ? say("sent-at", { at: hour(row.sent_at) }) : say("saved-at", { at: hour(row.seq) }));
}

function drawChoice() {
  const list = $("rutas");
  const open = state.day?.rounds ?? [];
  list.hidden = Boolean(state.round) || !open.length;
  if (list.hidden) return;
  list.replaceChildren(...open.map((round) => {
    const key = document.createElement("button");
    key.type = "button";
    key.className = "tecla fila";
    key.textContent = say("route-choice", { route: round.name, from: round.window[0], to: round.window[1], n: round.stops.length });
    key.addEventListener("click", () => choose(round.round));
    return key;
  }));
}

function drawList() {
  const rows = stops().map((stop, i) => {
    const item = document.createElement("li");
    const key = document.createElement("button");
    const outcome = outcomeOf(stop.household);
    const newest = ofHome(stop.household).at(-1);
    key.type = "button";
    key.className = "renglon";
    const name = document.createElement("b");
    name.textContent = `${stop.order}. ${stop.household}`;
    const what = document.createElement("span");
    what.textContent = [outcome ? say(`outcome-${outcome}`) : say("pending"), newest ? say(`state-${newest.state}`) : ""].filter(Boolean).join(" · ");
    key.append(name, what);
    key.addEventListener("click", () => { state.at = i; $("lista").close(); draw(); });
    item.append(key);
    return item;
  });
  $("paradas").replaceChildren(...rows);
  const wrong = state.rows.filter((row) => row.state === "attention").map((row) => {
    const item = document.createElement("li");
    item.textContent = say("attention-row", { home: row.household ?? say("round"), outcome: row.outcome ? say(`outcome-${row.outcome}`) : row.body.kind, at: hour(row.seq), why: words[`why-${row.code}`] ?? say("why-other", { code: row.code ?? "" }) });
    return item;
  });
  $("atencion").hidden = !wrong.length;
  $("pendientes").replaceChildren(...wrong);
  text("guarda", say(state.storage === true ? "persist-yes" : state.storage === false ? "persist-no" : "persist-unknown"));
  text("dia", state.day ? say("list-day", { day: state.day.service_day.split("-").reverse().join("/") }) : "");
  $("cambiar").hidden = (state.day?.rounds.length ?? 0) < 2;
  $("inscribir").hidden = state.link !== "refused" || !state.csrf;
}

// ---- doing ----
async function refresh() { state.rows = state.login ? await box.all(state.login) : []; }

function operation(kind, more) {
  const body = { op: box.identity(), kind, ...more, observed_at: box.stamp() };
  if (state.fix && Date.now() - state.fix.at < 15000) body.position = { lon: state.fix.lon, lat: state.fix.lat, accuracy_m: state.fix.accuracy };
  return body;
}

/** A correction never claims to be older than what it corrects, whatever the phone's clock did in between. */
function correction(root, outcome, because) {
  const body = operation("correction", { of: root.op, because, ...meaning(outcome) });
  const newest = Math.max(...ofHome(root.household).map((row) => Date.parse(row.body.observed_at)));
  if (Date.parse(body.observed_at) <= newest) body.observed_at = box.stamp(new Date(newest + 1));
  return body;
}

async function save(outcome) {
  const stop = current();
  if (!stop || state.busy) return;
  state.busy = true;
  try {
    const round = state.round.round;
    const root = ofHome(stop.household).find((row) => row.state !== "attention");
    const items = [];
    if (!state.rows.some((row) => row.round === round && row.body.kind === "round_start")) items.push({ round, body: operation("round_start", { round }) });
    const reason = !MEANING[outcome];
    items.push({
      round, household: stop.household, outcome,
      body: root ? correction(root, outcome, "changed") : operation(reason ? "stop_missed" : "observation", { round, household: stop.household, ...meaning(outcome) }),
    });
    const left = stops().filter((other) => !outcomeOf(other.household) && other !== stop).length;
    if (!left && !state.rows.some((row) => row.round === round && row.body.kind === "round_end")) items.push({ round, body: operation("round_end", { round }) });
    await box.record(state.login, items);
    await refresh();
    navigator.vibrate?.(40);
    state.at = nextAfter(state.at);
    app.dataset.fallo = "";
  } catch {
    // Not on disk: the stop stays where it is and says so.
    app.dataset.fallo = "1";
    text("ult", say("not-saved"));
    text("ult2", say("not-saved-help"));
    return;
  } finally {
    state.busy = false;
    for (const key of document.querySelectorAll("#teclas .tecla")) key.disabled = false;
  }
  draw();
  soon(1500);
}

async function undo() {
  const row = last();
  if (!row || state.busy) return;
  state.busy = true;
  try {
    if (!(await box.takeBack(row.op))) {
      // It may have left the phone: a correction puts back what stood before, or says that nothing is known.
      const rows = ofHome(row.household).filter((other) => other.state !== "attention");
      const before = rows.at(-2)?.outcome ?? "undone";
      await box.record(state.login, [{ round: row.round, household: row.household, outcome: before, body: correction(rows[0], before, "undone") }]);
    }
    await refresh();
    const at = stops().findIndex((stop) => stop.household === row.household);
    if (at >= 0) state.at = at;
  } finally {
    state.busy = false;
  }
  draw();
  soon(1500);
}

async function choose(round) {
  state.round = state.day?.rounds.find((other) => other.round === round);
  if (state.round) {
    await box.put("meta", { key: `route:${state.login}`, round });
    state.at = nextAfter(-1);
  }
  draw();
}

async function take(day) {
  if (!day) return;
  const same = state.round && day.rounds.find((other) => other.round === state.round.round);
  const stop = current()?.household;
  state.day = day;
  if (same) {
    state.round = same;
    const at = same.stops.findIndex((other) => other.household === stop);
    state.at = at >= 0 ? at : nextAfter(-1);
  } else {
    const kept = await box.get("meta", `route:${state.login}`);
    state.round = day.rounds.find((other) => other.round === kept?.round) ?? (day.rounds.length === 1 ? day.rounds[0] : undefined);
    state.at = state.round ? nextAfter(-1) : undefined;
  }
}

// ---- the line to the server ----
let timer;
let wait = 5000;
function soon(ms) {
  clearTimeout(timer);
  timer = setTimeout(send, ms);
}

async function send() {
  clearTimeout(timer);
  if (!state.login || !state.token) return;
  const outcome = await box.drain(state.login, state.token, async () => { await refresh(); draw(); }).catch(() => "away");
  state.link = outcome;
  await refresh();
  draw();
  wait = outcome === "done" ? 30000 : Math.min(Math.max(wait, 5000) * 2, 300000);
  soon(wait);
}

async function fetchDay() {
  if (!state.token) { if (state.link === "asking") state.link = "away"; return; }
  const { day, state: link } = await box.today(state.login, state.token);
  if (link === "refused" || state.link === "asking") state.link = link;
  await take(day);
  draw();
}

/** Makes this phone known to the server, once per login, while somebody is signed in. */
async function enrol() {
  const response = await fetch("/crew/enrol", { method: "POST", headers: { "x-csrf": state.csrf }, redirect: "error" }).catch(() => undefined);
  const answer = response?.ok ? await response.json().catch(() => undefined) : undefined;
  if (typeof answer?.token !== "string" || typeof answer?.device !== "string") return false;
  await box.put("meta", { key: `phone:${state.login}`, token: answer.token, device: answer.device });
  state.token = answer.token;
  state.link = "done";
  return true;
}

async function start() {
  if (state.login) await box.put("meta", { key: "current", login: state.login });
  else state.login = (await box.get("meta", "current"))?.login;
  if (!state.login) { state.link = "away"; draw(); return; }
  state.token = (await box.get("meta", `phone:${state.login}`))?.token;
  await refresh();
  await take((await box.get("day", state.login))?.body);
  draw();
  if (!state.token && state.csrf) await enrol();
  await fetchDay();
  await send();
  draw();
}

$("teclas").addEventListener("submit", (event) => { event.preventDefault(); save(event.submitter.value); });
$("no-pasar").addEventListener("click", () => $("motivos").showModal());
$("motivos").addEventListener("submit", (event) => { if (event.submitter?.value) save(event.submitter.value); });
$("deshacer").addEventListener("click", undo);
$("abrir-lista").addEventListener("click", () => { drawList(); $("lista").showModal(); });
$("cola").addEventListener("click", () => { wait = 5000; send(); if (state.day) { drawList(); $("lista").showModal(); } });
$("cerrar").addEventListener("click", () => $("lista").close());
$("cambiar").addEventListener("click", () => { state.round = undefined; state.at = undefined; $("lista").close(); draw(); });
$("inscribir").addEventListener("click", async () => { if (await enrol()) { $("lista").close(); await fetchDay(); await send(); } });
addEventListener("online", () => { wait = 5000; fetchDay().then(send); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = 5000; fetchDay().then(send); } });
setInterval(() => { if (!state.busy) draw(); }, 10000);

navigator.geolocation?.watchPosition(
  ({ coords }) => { state.fix = { lon: coords.longitude, lat: coords.latitude, accuracy: Math.round(coords.accuracy), at: Date.now() }; draw(); },
  () => {}, { enableHighAccuracy: true, maximumAge: 15000 },
);
navigator.storage?.persist?.().then((granted) => { state.storage = granted; app.dataset.guarda = String(granted); }, () => {});
navigator.serviceWorker?.register("/crew/sw.js", { scope: "/crew" }).catch(() => {});
app.hidden = false;
await start();
