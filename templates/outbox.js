// The crew's outbox: what was seen is on this phone's disk before anything else happens, and leaves only against a receipt.
//
// Database "vecino-crew", version 1. Its format is a promise to phones in the street: add, never change.
//   op    {op, login, state, seq, tried, round, household, outcome, body, code, message, sent_at}
//         state: "waiting" to be sent · "sent" (kept seven days) · "attention" (the server will not take it; a person must)
//   day   {login, etag, body}     today's rounds as the server gave them
//   meta  {key, …}                "current" {login} · "phone:LOGIN" {token, device} · "route:LOGIN" {round}

const BATCH = 50;
const KEEP_MS = 7 * 24 * 3600 * 1000;

let opened;
function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("vecino-crew", 1);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("op", { keyPath: "op" }).createIndex("login", "login");
      db.createObjectStore("day", { keyPath: "login" });
      db.createObjectStore("meta", { keyPath: "key" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  opened.catch(() => { opened = undefined; });
  return opened;
}

/** Runs `work(store)` in one transaction; the promise is kept only when the transaction is on disk. */
async function within(name, mode, work) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(name, mode, mode === "readwrite" ? { durability: "strict" } : undefined);
    let answer;
    transaction.oncomplete = () => resolve(answer);
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error("storage"));
    work(transaction.objectStore(name), (value) => { answer = value; });
  });
}

export const get = (name, key) => within(name, "readonly", (store, done) => { store.get(key).onsuccess = (e) => done(e.target.result); });
export const put = (name, value) => within(name, "readwrite", (store) => { store.put(value); });
export const drop = (name, key) => within(name, "readwrite", (store) => { store.delete(key); });

/** Everything of one login, oldest first. Another login's work on the same phone is never among it. */
export async function all(login) {
  const rows = await within("op", "readonly", (store, done) => { store.index("login").getAll(login).onsuccess = (e) => done(e.target.result); });
  return rows.sort((a, b) => a.seq - b.seq);
}

/** A UUIDv7: the identity is made where the thing is made. */
export function identity(at = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(at / 2 ** (8 * (5 - i))) % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Local time with its offset, to the millisecond. */
export function stamp(at = new Date()) {
  const minutes = -at.getTimezoneOffset();
  const two = (n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  const wall = new Date(at.getTime() + minutes * 60000).toISOString().slice(0, -1);
  return `${wall}${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

let last = 0;
function sequence() {
  last = Math.max(Date.now(), last + 1);
  return last;
}

const boot = crypto.getRandomValues(new Uint32Array(1))[0].toString(16);

/** Writes operations in one strict transaction; resolves when they are on disk. */
export async function record(login, items) {
  const rows = items.map((item) => ({
    login, state: "waiting", tried: false, seq: sequence(), ...item, op: item.body.op,
    body: { ...item.body, clock: { monotonic_ms: Math.round(performance.now()), boot } },
  }));
  await within("op", "readwrite", (store) => rows.forEach((row) => store.add(row)));
  return rows;
}

/** Takes back an operation that was never offered to the server. False when it may have left the phone. */
export function takeBack(op) {
  return within("op", "readwrite", (store, done) => {
    store.get(op).onsuccess = (e) => {
      const row = e.target.result;
      const here = Boolean(row) && row.state === "waiting" && !row.tried;
      if (here) store.delete(op);
      done(here);
    };
  });
}

/** Marks the oldest waiting operations as offered, in the same breath as reading them. */
function offer(login, limit) {
  return within("op", "readwrite", (store, done) => {
    store.index("login").getAll(login).onsuccess = (e) => {
      const rows = e.target.result.filter((row) => row.state === "waiting").sort((a, b) => a.seq - b.seq).slice(0, limit);
      rows.filter((row) => !row.tried).forEach((row) => store.put({ ...row, tried: true }));
      done(rows);
    };
  });
}

/** Is this the server's own receipt for exactly these operations? A captive portal also answers 200. */
function isReceipt(answer, rows) {
  const known = ["stored", "duplicate", "conflict", "rejected"];
  return Boolean(answer) && typeof answer.received_at === "string" && Array.isArray(answer.results) && answer.results.length === rows.length
    && answer.results.every((result, i) => result && result.op === rows[i].op && known.includes(result.status));
}

async function settle(rows, answer) {
  const at = Date.now();
  await within("op", "readwrite", (store) => {
    rows.forEach((row, i) => {
      const { status, code, message } = answer.results[i];
      const taken = status === "stored" || status === "duplicate";
      store.put({ ...row, tried: true, state: taken ? "sent" : "attention", code, message, sent_at: at });
    });
  });
}

async function forgetOld(login) {
  const old = (await all(login)).filter((row) => row.state === "sent" && row.sent_at < Date.now() - KEEP_MS);
  if (old.length) await within("op", "readwrite", (store) => old.forEach((row) => store.delete(row.op)));
}

async function ask(path, token, options = {}, timeout = 60000) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeout);
  try {
    const response = await fetch(path, {
      ...options, signal: stop.signal, credentials: "omit", redirect: "error", cache: "no-store",
      headers: { ...options.headers, authorization: `Bearer ${token}` },
    });
    const json = (response.headers.get("content-type") ?? "").includes("json");
    return { status: response.status, etag: response.headers.get("etag"), body: json && response.status !== 304 ? await response.json() : undefined };
  } finally {
    clearTimeout(timer);
  }
}

/** Sends all that waits, in batches. Answers "done", "away" (try later) or "refused" (the phone has no permission any more). */
export async function drain(login, token, changed) {
  const send = async () => {
    let limit = BATCH;
    for (;;) {
      const rows = await offer(login, limit);
      if (!rows.length) break;
      let answer;
      try {
        answer = await ask("/api/v1/sync", token, {
          method: "POST", headers: { "content-type": "application/json" },
          body: JSON.stringify({ sent_at: stamp(), ops: rows.map((row) => row.body) }),
        });
      } catch {
        return "away";
      }
      if (answer.status === 401 || answer.status === 403) return "refused";
      if (answer.status === 413 && limit > 1) { limit = Math.ceil(limit / 2); continue; }
      if (answer.status !== 200 || !isReceipt(answer.body, rows)) return "away";
      await settle(rows, answer.body);
      await changed();
    }
    await forgetOld(login);
    return "done";
  };
  // Two tabs of one phone must not send side by side.
  return navigator.locks ? navigator.locks.request(`vecino-outbox-${login}`, send) : send();
}

/** Today's rounds from the server; the copy on the phone when the server cannot be reached. */
export async function today(login, token) {
  const kept = await get("day", login);
  let answer;
  try {
    answer = await ask("/api/v1/rounds/today", token, { headers: kept?.etag ? { "if-none-match": kept.etag } : {} }, 30000);
  } catch {
    return { day: kept?.body, state: "away" };
  }
  if (answer.status === 401 || answer.status === 403) return { day: kept?.body, state: "refused" };
  if (answer.status === 200 && typeof answer.body?.service_day === "string" && Array.isArray(answer.body.rounds)) {
    await put("day", { login, etag: answer.etag, body: answer.body });
    return { day: answer.body, state: "done" };
  }
  return { day: kept?.body, state: answer.status === 304 ? "done" : "away" };
}
