/**
 * The console's service worker: it makes the console installable, says so when the appliance cannot be reached, and
 * brings the right tab forward when a notification is clicked. It keeps one page, the offline one; nothing private.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const CACHE = "beistand-offline";
const OFFLINE = "/console/offline";

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.add(new Request(OFFLINE, { cache: "reload" }))));
  void worker.skipWaiting();
});

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  event.respondWith(fetch(event.request).catch(async () => (await caches.match(OFFLINE)) ?? Response.error()));
});

worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(String(event.notification.data?.hash ?? "")));
});

/** @param {string} hash */
async function open(hash) {
  const windows = await worker.clients.matchAll({ type: "window" });
  const found = windows.find((client) => new URL(client.url).pathname === "/console");
  if (!found) return void worker.clients.openWindow(`/console#${hash}`);
  await found.focus();
  if (hash) found.postMessage({ show: hash });
  return undefined;
}
