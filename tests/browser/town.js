// A practice town on loopback and a real Chromium in front of it. VECINO names the binary (default: the release build).
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const binary = process.env.VECINO ?? join(root, 'target/release/vecino');
export const pictures = process.env.PICTURES ?? join(root, 'target/pictures');
mkdirSync(pictures, { recursive: true });

const freePort = () => new Promise(done => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); });
});

export class Town {
  static async start({ households = 3000, today = '2026-11-23' } = {}) {
    const town = new Town();
    town.binary = binary;
    town.folder = mkdtempSync(join(tmpdir(), 'vecino-'));
    town.data = join(town.folder, 'data');
    town.port = await freePort();
    town.origin = `http://127.0.0.1:${town.port}`;
    // A town that stands already (TOWN=FOLDER) saves making one; it is copied, never touched.
    if (process.env.TOWN) {
      cpSync(process.env.TOWN, town.data, { recursive: true });
    } else {
      town.make(households, today);
    }
    await town.serve();
    town.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
    return town;
  }
  make(households, today) {
    const made = spawnSync(binary, ['demo', '--no-serve', '--data-dir', this.data, '--households', String(households), '--today', today], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`demo: ${made.stderr}`);
    this.printed = made.stdout;
  }
  async serve() {
    this.server = spawn(binary, ['serve', '--data-dir', this.data, '--listen', `127.0.0.1:${this.port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.log = '';
    this.server.stderr.on('data', text => { this.log += text; });
    for (let i = 0; i < 200; i++) {
      try { if ((await fetch(`${this.origin}/readyz`)).ok) return; } catch { /* not yet */ }
      await new Promise(done => setTimeout(done, 50));
    }
    throw new Error(`the server does not answer: ${this.log}`);
  }
  kill(signal = 'SIGKILL') {
    const gone = new Promise(done => this.server.once('exit', done));
    this.server.kill(signal);
    return gone;
  }
  async stop() {
    await this.browser?.close();
    if (this.server?.exitCode === null && this.server.signalCode === null) await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
  /** A browser of its own for one login, with every complaint of the page collected. */
  async visit(login, { width = 1280, height = 900, scheme = 'light', javaScript = true } = {}) {
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: scheme, javaScriptEnabled: javaScript, locale: 'es-GT' });
    const page = await context.newPage();
    page.complaints = [];
    page.on('console', message => { if (message.type() === 'error') page.complaints.push(message.text()); });
    page.on('pageerror', error => page.complaints.push(String(error)));
    page.on('request', request => { if (!request.url().startsWith(this.origin)) page.complaints.push(`foreign request ${request.url()}`); });
    if (login) {
      await page.goto(`${this.origin}/`);
      await page.locator(`form:has(input[name=login][value="${login}"]) button`).click();
      await page.waitForURL(url => !url.pathname.startsWith('/sign-in') && url.pathname !== '/', { waitUntil: 'load' });
    }
    return page;
  }
}
