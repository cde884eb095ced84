// Keeps the crew's shell on the phone, so that the page opens without signal. It never stands between the page and the API.
const CACHE = "vecino-crew-__BUILD__";
const SHELL = "/crew/shell";
const FILES = [SHELL, __FILES__];

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith("vecino-crew-") && name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  })());
});

// The page itself comes fresh when the server answers within four seconds and it is ours (or sends us to sign in).
async function page(request) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 4000);
  try {
    const response = await fetch(request, { signal: stop.signal });
    if (response.type === "opaqueredirect" || response.headers.get("x-vecino") === "crew") return response;
    if (response.status === 401 || response.status === 403) return response;
  } catch {
    // No signal, or too slow: the shell will do.
  } finally {
    clearTimeout(timer);
  }
  return (await caches.match(SHELL, { cacheName: CACHE })) ?? Response.error();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/crew") {
    event.respondWith(page(request));
  } else if (FILES.includes(url.pathname + url.search)) {
    event.respondWith(caches.match(request, { cacheName: CACHE }).then((kept) => kept ?? fetch(request)));
  }
});
