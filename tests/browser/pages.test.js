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

// Each role's own addresses; a step may also be a function that clicks its way to a page, as a person would.
const doors = {
  cuadrilla: ['/crew'],
  jefatura: ['/rounds', '/rounds?day=2026-11-20'],
  saneamiento: ['/today/0114', '/map/0114', '/rounds', '/registry/indicators', '/registry/waste', '/campaigns'],
  visitas: ['/visits'],
  investigacion: ['/trial', '/trial/norma-y-plan-2026', '/trial/norma-y-plan-2026/protocol', '/trial/norma-y-plan-2026/look-request',
    '/campaigns', '/campaign/semanal/preview', ['preview-home', previewOfOneHome]],
  alcaldia: ['/map/1202', '/map/1202?measure=set_out', ['neighbourhood', firstNeighbourhood], '/password'],
  registro: ['/registry', ['found', searchPeople], ['person', firstPerson], '/registry/person/new/1202', '/registry/waste', '/registry/indicators'],
  finanzas: ['/registry/finance'],
  escuela: ['/registry/school'],
  genero: ['/registry/gender'],
  socio: ['/api/docs'],
  auditoria: ['/audit', '/trial', '/today/1202'],
  administracion: ['/accounts', '/audit', '/api/docs'],
};

async function firstNeighbourhood(page) {
  await page.goto(`${town.origin}/map/1202`);
  await page.goto(new URL(await page.locator('table.tabla a[href^="/map/1202/"]').first().getAttribute('href'), town.origin).href);
}

async function previewOfOneHome(page) {
  const crew = await town.visit('cuadrilla', { javaScript: false });
  await crew.goto(`${town.origin}/crew`);
  const home = await crew.locator('main.papel li b').first().innerText();
  await crew.context().close();
  await page.goto(`${town.origin}/campaign/semanal/preview`);
  await page.selectOption('#municipality', '1202');
  await page.fill('#household', home);
  await Promise.all([page.waitForURL(`**/preview/1202/${home}*`), page.locator('main form button[type=submit]').first().click()]);
}

async function searchPeople(page) {
  await page.goto(`${town.origin}/registry`);
  await page.locator('form[action="/registry/search"] input[type=text], form[action="/registry/search"] input[type=search]').first().fill('Lopez');
  await Promise.all([page.waitForURL('**/registry/search'), page.locator('form[action="/registry/search"] button').first().click()]);
  assert.ok(await page.locator('a[href^="/registry/person/"]').count() > 0, 'somebody is found without accents');
}

async function firstPerson(page) {
  await searchPeople(page);
  const person = page.locator('a[href^="/registry/person/"]:not([href*="/new/"])').first();
  await page.goto(new URL(await person.getAttribute('href'), town.origin).href);
}

/** What is wrong with the page as it stands, in words. */
async function examine(page) {
  const seen = await page.evaluate(() => {
    // What is quoted as code is the machine's own record.
    const own = document.body.cloneNode(true);
    own.querySelectorAll('code, pre, script, [lang=en]').forEach(node => node.remove());
    const text = own.textContent;
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    return {
      wide,
      // Who sticks out, so that nobody has to search.
      culprits: wide <= 0 ? [] : [...document.querySelectorAll('body *')].filter(n => n.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !n.closest('svg'))
        .slice(0, 4).map(n => `${n.tagName.toLowerCase()}.${n.className}`),
      headings: document.querySelectorAll('h1').length,
      lang: document.documentElement.lang,
      keys: text.match(/\b(map|trial|norm|analysis|registry|crew|coordinator|account|audit|rounds|visits|territory|observation|web|landing|nav|reason)-[a-z-]{3,}\b/g) ?? [],
      none: text.match(/\bNaN\b|\bundefined\b|\bnull\b|\[object|Infinity/g) ?? [],
      dates: text.match(/\b20\d\d-\d\d-\d\d\b/g) ?? [],
    };
  });
  // The page's own policy forbids foreign scripts; axe is evaluated by the driver.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return [
    ...(seen.wide > 0 ? [`${seen.wide} px of sideways scroll: ${seen.culprits.join(', ')}`] : []),
    ...(seen.headings === 1 ? [] : [`${seen.headings} h1`]),
    ...(seen.lang ? [] : ['no lang']),
    ...(seen.keys.length ? [`interface keys: ${seen.keys.join(' ')}`] : []),
    ...(seen.none.length ? [`a number that is none: ${seen.none.join(' ')}`] : []),
    ...(seen.dates.length ? [`dates not dd/mm/aaaa: ${seen.dates.slice(0, 3).join(' ')}`] : []),
    ...violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | ')}`),
  ];
}

const slug = path => path.replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '') || 'landing';
const sizes = [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']];
const height = width => (width === 360 ? 740 : 900);

/** One page at four looks; the window changes, the page stays. */
async function look(page, name, only) {
  const problems = [];
  for (const [width, scheme] of only ?? sizes) {
    await page.setViewportSize({ width, height: height(width) });
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true });
    problems.push(...(await examine(page)).map(problem => `${name} at ${width} ${scheme}: ${problem}`));
  }
  return problems;
}

test('before signing in', { timeout: 120_000 }, async () => {
  const page = await town.visit(null);
  const problems = [];
  for (const path of ['/', '/sign-in']) {
    assert.equal((await page.goto(town.origin + path)).status(), 200, path);
    problems.push(...await look(page, slug(path)));
  }
  assert.deepEqual([...problems, ...page.complaints], []);
  await page.context().close();
});

for (const [login, steps] of Object.entries(doors)) {
  test(`the pages of ${login}`, { timeout: 600_000 }, async () => {
    const page = await town.visit(login);
    const problems = [];
    for (const step of steps) {
      const [name, go] = Array.isArray(step) ? step : [slug(step), null];
      try {
        if (go) await go(page);
        else assert.equal((await page.goto(town.origin + step)).status(), 200, step);
      } catch (error) {
        problems.push(`${name}: ${error.message.split('\n')[0]}`);
        continue;
      }
      // The crew's page fills itself from the phone.
      if (step === '/crew') await page.waitForFunction(() => document.getElementById('calle').dataset.estado === 'parada');
      problems.push(...await look(page, `${login}-${name}`));
    }
    assert.deepEqual([...problems, ...page.complaints], [], login);
    await page.context().close();
  });
}

test('the map works without JavaScript: the period is chosen by a form', async () => {
  const page = await town.visit('alcaldia', { width: 360, height: 740, javaScript: false });
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
  const page = await town.visit('alcaldia');
  assert.equal((await page.goto(`${town.origin}/map/0114`)).status(), 404);
  assert.equal((await page.goto(`${town.origin}/registry`)).status(), 403);
  await page.context().close();
});
