// The crew's day without signal, with the real worker and the real server: what was recorded in the dead zone is kept, sent once, and counted once.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Town, pictures } from './town.js';

let town;
before(async () => { town = await Town.start(); });
after(async () => { await town?.stop(); });

const shown = async (page, id) => (await page.locator(`#${id}`).innerText()).trim();

test('three stops are recorded without signal, survive a closed page, and arrive once', { timeout: 180_000 }, async () => {
  const page = await town.visit('cuadrilla', { width: 360, height: 740 });
  await page.goto(`${town.origin}/crew`);
  // Enrolled, today's stops on the phone, and the worker ready to answer the next opening. Whether it also took over this page is left open:
  // a page that was on its way while the worker started is not claimed, and loses nothing by it.
  await page.waitForFunction(() => document.getElementById('calle').dataset.estado === 'parada');
  await page.waitForFunction(async () => (await navigator.serviceWorker.ready).active.state === 'activated');
  assert.equal(await shown(page, 'cola1'), 'Todo enviado');
  const route = await shown(page, 'ruta');
  const total = Number((await shown(page, 'n')).match(/de (\d+)/)[1]);

  // No server at all: nothing but the worker can answer.
  await town.kill();
  await page.context().setOffline(true);
  await page.reload();
  await page.waitForFunction(() => document.getElementById('calle').dataset.estado === 'parada');
  assert.equal(await shown(page, 'ruta'), route, 'the route is on the phone');

  const homes = [];
  for (const outcome of ['bien', 'mal', 'no']) {
    const home = await shown(page, 'casa');
    homes.push(home);
    await page.locator(`#teclas button[value=${outcome}]`).click();
    await page.waitForFunction(before => document.getElementById('casa').textContent !== before, home);
  }
  assert.equal(new Set(homes).size, 3);
  assert.match(await shown(page, 'ult2'), /Guardada en el teléfono/);
  // The start of the round waits too.
  assert.match(await shown(page, 'cola1'), /^(Falta enviar 4|4 sin enviar)/);
  assert.equal(await shown(page, 'n'), `3 de ${total}`);
  await page.screenshot({ path: join(pictures, 'crew-offline-360.png') });

  // The page is closed and opened again, still without signal.
  const context = page.context();
  await page.close();
  const again = await context.newPage();
  const complaints = [];
  again.on('pageerror', error => complaints.push(String(error)));
  await again.goto(`${town.origin}/crew`);
  await again.waitForFunction(() => document.getElementById('calle').dataset.estado === 'parada');
  assert.equal(await shown(again, 'n'), `3 de ${total}`);
  assert.match(await shown(again, 'cola1'), /4/);
  assert.ok(!homes.includes(await shown(again, 'casa')), 'the next home is one not yet seen');

  // The server is back, then the signal.
  await town.serve();
  await context.setOffline(false);
  await again.evaluate(() => dispatchEvent(new Event('online')));
  await again.waitForFunction(() => document.getElementById('cola1').textContent === 'Todo enviado', null, { timeout: 60_000 });
  assert.equal(await shown(again, 'n'), `3 de ${total}`);
  // Sending again what has arrived changes nothing.
  await again.locator('#cola').click();
  await again.locator('#cerrar').click();
  const kept = await again.evaluate(() => new Promise((done, fail) => {
    const open = indexedDB.open('vecino-crew', 1);
    open.onerror = () => fail(open.error);
    open.onsuccess = () => { const all = open.result.transaction('op').objectStore('op').getAll(); all.onsuccess = () => done(all.result.map(row => [row.state, row.household ?? null])); };
  }));
  assert.deepEqual(kept.map(([state]) => state), ['sent', 'sent', 'sent', 'sent']);
  assert.deepEqual(kept.map(([, home]) => home).filter(Boolean).sort(), [...homes].sort());
  assert.deepEqual(complaints, []);
  await again.screenshot({ path: join(pictures, 'crew-sent-360.png') });
  await context.close();

  // Each of them once on the server, by its own account and by what can be recomputed.
  const lead = await town.visit('administracion');
  assert.equal((await lead.goto(`${town.origin}/rounds?municipality=1202`)).status(), 200);
  const made = (await lead.locator('table.tabla.medio tbody td.num .tasa').allInnerTexts()).reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
  assert.equal(made, 3);
  await lead.context().close();
  const checked = spawnSync(town.binary, ['verify', '--data-dir', town.data], { encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
});

test('without JavaScript the crew page is a list of stops on paper', async () => {
  const page = await town.visit('cuadrilla', { width: 360, height: 740, javaScript: false });
  assert.equal((await page.goto(`${town.origin}/crew`)).status(), 200);
  assert.ok(await page.locator('h1:visible').count() === 1);
  const stops = await page.locator('main.papel li').allInnerTexts();
  assert.ok(stops.length > 10, `${stops.length} stops`);
  assert.match(stops[0], /^1\. SP-\d{4}-[A-Z]/);
  const wide = await page.locator('body').evaluate(body => body.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${wide} px of sideways scroll`);
  await page.screenshot({ path: join(pictures, 'crew-paper-360.png') });
  await page.context().close();
});
