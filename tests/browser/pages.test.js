// Every page, as each role sees it: at 360 and 1280 px, light and dark; axe clean, no sideways scroll, no foreign origin, no script error.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Town, pictures } from './town.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let town;
before(async () => { town = await Town.start(); });
after(async () => { await town?.stop(); });

const doors = {
  'alcaldia-sp': ['/map/1202', '/map/1202?rutas=1&puntos=1', '/map/1202/1202-A17'],
  'alcaldia-am': ['/map/0114'],
  'coordinacion-sp': ['/today/1202', '/map/1202'],
  'investigacion': ['/trial/norma-y-plan-2026', '/trial/norma-y-plan-2026/protocol', '/trial/norma-y-plan-2026/look-request', '/campaign/semanal/preview'],
  'registro': ['/registry', '/registry/waste', '/registry/indicators', '/registry/person/new/1202'],
  'finanzas': ['/registry/finance'],
  'escuelas': ['/registry/school'],
  'genero': ['/registry/gender'],
  'visitas-sp': ['/visits'],
  'jefe-sp': ['/rounds'],
  'cuadrilla-sp': ['/crew'],
  'auditoria': ['/audit'],
  'administracion': ['/accounts', '/api/docs'],
};

async function examine(page, name) {
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(sideways <= 0, `${name}: ${sideways} px of sideways scroll`);
  assert.equal(await page.locator('h1').count(), 1, `${name}: one h1`);
  assert.ok(await page.evaluate(() => document.documentElement.lang), `${name}: lang`);
  // The page's own policy forbids foreign scripts; axe is evaluated by the driver.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | ')}`), [], name);
  const untranslated = await page.evaluate(() => document.body.innerText.match(/\b(map|trial|norm|analysis|registry|crew|coordinator|account|territory|observation|web)-[a-z-]{3,}\b/g));
  assert.equal(untranslated, null, `${name}: interface keys on the page`);
  assert.ok(!/\bNaN\b|\bundefined\b|\bnull\b/.test(await page.evaluate(() => document.body.innerText)), `${name}: a number that is none`);
}

const slug = path => path.replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '') || 'landing';

for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']]) {
  test(`the landing page and every role's pages at ${width} px, ${scheme}`, { timeout: 300_000 }, async t => {
    await t.test('landing', async () => {
      const page = await town.visit(null, { width, height: width === 360 ? 740 : 900, scheme });
      await page.goto(town.origin + '/');
      await page.screenshot({ path: join(pictures, `landing-${width}-${scheme}.png`), fullPage: true });
      await examine(page, 'landing');
      await page.context().close();
    });
    for (const [login, paths] of Object.entries(doors)) {
      await t.test(login, async () => {
        const page = await town.visit(login, { width, height: width === 360 ? 740 : 900, scheme });
        for (const path of paths) {
          const answer = await page.goto(town.origin + path);
          assert.equal(answer.status(), 200, `${login} ${path}`);
          await page.screenshot({ path: join(pictures, `${slug(path)}-${width}-${scheme}.png`), fullPage: true });
          await examine(page, `${login} ${path} at ${width} ${scheme}`);
        }
        assert.deepEqual(page.complaints, [], login);
        await page.context().close();
      });
    }
  });
}

test('the map works without JavaScript: the period is chosen by a form', async () => {
  const page = await town.visit('alcaldia-sp', { width: 360, height: 740, javaScript: false });
  await page.goto(`${town.origin}/map/1202`);
  const first = await page.locator('.ceja').innerText();
  await page.locator('form.deslizar input[type=range]').evaluate(input => { input.value = input.min; }).catch(() => {});
  await page.locator('form.deslizar button').click();
  assert.match(page.url(), /\?/);
  assert.ok((await page.locator('table.tabla tbody tr').count()) > 10);
  assert.ok(first.length > 10);
  await page.context().close();
});

test('another municipality does not exist for a mayor', async () => {
  const page = await town.visit('alcaldia-sp');
  assert.equal((await page.goto(`${town.origin}/map/0114`)).status(), 404);
  assert.equal((await page.goto(`${town.origin}/registry`)).status(), 403);
  await page.context().close();
});
