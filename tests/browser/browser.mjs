// Opens pages in Chromium, and uses Swagger UI as a person does.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Opens a browser with one page; records requests to other origins, failed requests, and console errors of all its pages. */
export async function openBrowser(origin, options = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    // The language of the browser itself, which date fields have.
    env: { ...process.env, LANGUAGE: 'en_US' },
    args: [
      // Chromium's sandbox does not work as root (containers); the test opens only the gateway's own pages.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Block other hosts, so that a page that depends on one also fails where the internet is reachable.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  })
  const foreignRequests = []
  const browserErrors = []
  const newPage = async (options) => {
    const page = await browser.newPage(options)
    page.setDefaultTimeout(20_000)
    // Not by a script element, which the content security policy of the pages forbids.
    await page.addInitScript({ content: axe })
    page.on('request', (request) => {
      const url = new URL(request.url())
      if (url.origin !== origin && url.protocol !== 'data:') foreignRequests.push(request.url())
    })
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText
      // Navigation aborts the pending requests of the previous page.
      if (reason !== 'net::ERR_ABORTED') browserErrors.push(`${request.url()}: ${reason}`)
    })
    page.on('pageerror', (error) => browserErrors.push(`page: ${error.stack ?? error}`))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) browserErrors.push(`${message.location().url}: ${message.text()}`)
    })
    return page
  }
  const page = await newPage({ viewport: { width: 1280, height: 900 }, ...options })
  const newPhone = () => newPage({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true })
  return { page, newPhone, foreignRequests, browserErrors, close: () => browser.close() }
}

/** Serves the back-office page as it has just been built, instead of what is at `root`/example/. */
export async function serveBuiltPage(page, root) {
  await page.route(`${root}/example/*`, (route) => {
    const file = new URL(route.request().url()).pathname.split('/').at(-1) || 'index.html'
    return route.fulfill({ path: `${process.env.BACK_OFFICE_DIST}/${file}` })
  })
}

/** Fails if the page has to be scrolled sideways. */
export async function expectNoSidewaysScrolling(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(content <= page.viewportSize().width && window === page.viewportSize().width, `${page.url()}: ${content} px`)
}

/** No violation in either color scheme, and nothing wider than the screen. */
export async function expectAccessible(page) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme })
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run())
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)
    assert.deepEqual(found, [], `axe, ${colorScheme}`)
    assert.ok(passes.length > 10, 'axe has looked at the page')
  }
  await expectNoSidewaysScrolling(page)
}

/** The element of an operation, such as `GET /orders`. */
export function operationOf(page, name) {
  const [method, path] = name.split(' ')
  const summary = page.locator(`.opblock-summary-path[data-path="${path}"]`)
  return page.locator(`.opblock-${method.toLowerCase()}`).filter({ has: summary })
}

/** Expands an operation, which is in "Try it out" mode from the start. */
export async function open(page, name) {
  const operation = operationOf(page, name)
  const content = operation.locator('.opblock-body')
  if (!(await content.isVisible())) await operation.locator('.opblock-summary-control').click()
  await content.waitFor()
  await operation.getByRole('button', { name: 'Execute' }).waitFor()
  return operation
}

/** Fills in the given values, keeps the page's examples for the rest, executes, and returns the displayed response. */
export async function execute(page, name, { parameters = {}, body } = {}) {
  const operation = await open(page, name)
  for (const [parameter, value] of Object.entries(parameters)) {
    await operation.locator(`tr[data-param-name="${parameter}"] input`).fill(value)
  }
  if (body) await operation.locator('.body-param textarea').fill(JSON.stringify(body))
  // Remove the response of an earlier execution, so that it is not read as the response of this one.
  const clear = operation.getByRole('button', { name: 'Clear' })
  if (await clear.isVisible()) await clear.click()
  const response = operation.locator('.live-responses-table')
  await response.waitFor({ state: 'detached' })
  await operation.getByRole('button', { name: 'Execute' }).click()
  await response.waitFor()
  const shown = response.locator('tbody tr.response').first()
  const read = {
    // Swagger UI adds "Undocumented" to a status that is missing in the document, which fails the comparison.
    status: (await shown.locator('.response-col_status').innerText()).trim(),
    url: (await operation.locator('.request-url pre').innerText()).trim(),
    json: JSON.parse(await shown.locator('.highlight-code pre').first().innerText()),
  }
  // Expanded operations slow the page down.
  await operation.locator('.opblock-summary-control').click()
  return read
}

/** Enters a credential for a security scheme. */
export async function authorize(page, scheme, value) {
  await page.locator('.auth-wrapper .authorize').click()
  const form = authForm(page, scheme)
  await form.locator('input').fill(value)
  await form.getByRole('button', { name: 'Apply credentials' }).click()
  await closeDialog(page)
}

export async function logout(page, scheme) {
  await page.locator('.auth-wrapper .authorize').click()
  await authForm(page, scheme).getByRole('button', { name: 'Remove authorization' }).click()
  await closeDialog(page)
}

async function closeDialog(page) {
  const dialog = page.locator('.dialog-ux')
  await dialog.locator('.btn-done').first().click()
  await dialog.waitFor({ state: 'detached' })
}

function authForm(page, scheme) {
  return page.locator('.auth-container').filter({ has: page.locator('h4 code', { hasText: scheme }) })
}

export function expectStatus(status, shown) {
  assert.equal(shown.status, String(status), JSON.stringify(shown, null, 2))
}
