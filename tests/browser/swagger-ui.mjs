// End-to-end test of Swagger UI in Chromium: clicks, keyboard input, and the content shown on the page.
// Run by .ci/browser, which installs the dependencies.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { chromium } from 'playwright-core'

import { behindStrippingProxy, demo, serve } from './gateway.mjs'

const OPERATIONS = [
  'GET /orders',
  'GET /orders/{id}',
  'GET /orders/{id}/messages',
  'POST /orders/{id}/messages',
  'GET /orders/{id}/status',
  'PATCH /orders/{id}/status',
  'GET /customers',
  'GET /customers/{id}',
  'GET /me',
]

const KEY = 'tg_a-key-for-the-browser'

/** Opens a browser with one page; records requests to other origins, failed requests, and console errors. */
async function openBrowser(origin) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
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
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(20_000)
  const foreignRequests = []
  const browserErrors = []
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
  return { page, foreignRequests, browserErrors, close: () => browser.close() }
}

/** Expands an operation in its "Try it out" mode. */
async function open(page, name) {
  const [method, path] = name.split(' ')
  const operation = page
    .locator(`.opblock-${method.toLowerCase()}`)
    .filter({ has: page.locator(`.opblock-summary-path[data-path="${path}"]`) })
  const content = operation.locator('.opblock-body')
  if (!(await content.isVisible())) await operation.locator('.opblock-summary-control').click()
  await content.waitFor()
  // An operation used before is still in "Try it out" mode and shows Cancel instead.
  const tryItOut = operation.getByRole('button', { name: 'Try it out' })
  await tryItOut.or(operation.getByRole('button', { name: 'Cancel' })).first().waitFor()
  if (await tryItOut.isVisible()) await tryItOut.click()
  return operation
}

/** Fills in the given values, keeps the page's examples for the rest, executes, and returns the displayed response. */
async function execute(page, name, { parameters = {}, body } = {}) {
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
async function authorize(page, scheme, value) {
  await page.locator('.auth-wrapper .authorize').click()
  const form = authForm(page, scheme)
  await form.locator('input').fill(value)
  await form.getByRole('button', { name: 'Apply credentials' }).click()
  await closeDialog(page)
}

async function logout(page, scheme) {
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

function expectStatus(status, shown) {
  assert.equal(shown.status, String(status), JSON.stringify(shown, null, 2))
}

// Each suite has its own processes and browser; rendering dominates the run time.
describe('Swagger UI', { concurrency: 2 }, () => {
  for (const [where, basePath, gateway] of [
    ['at the root', '', demo],
    ['below a base path, with API keys', '/api/tg', () => serve('/api/tg', KEY)],
    ['below a prefix that a proxy strips, with API keys', '/stripped', () => behindStrippingProxy('/stripped', KEY)],
  ]) {
    describe(where, { concurrency: 1, timeout: 180_000 }, () => {
      let running, browser, page, root

      before(async () => {
        running = await gateway()
        root = `${running.origin}${basePath}`
        browser = await openBrowser(running.origin)
        page = browser.page
      })

      after(async () => {
        await browser?.close()
        await running?.stop()
      })

      test('the root redirects to Swagger UI, which lists all operations', async () => {
        await page.goto(`${root}/`)
        assert.equal(page.url(), `${root}/swagger-ui/`)
        await page.locator('.opblock').first().waitFor()
        const listed = await page.locator('.opblock-summary').evaluateAll((summaries) =>
          summaries.map((summary) => {
            const method = summary.querySelector('.opblock-summary-method').textContent
            return `${method} ${summary.querySelector('.opblock-summary-path').dataset.path}`
          }),
        )
        assert.deepEqual(listed.sort(), [...OPERATIONS].sort())
      })

      if (basePath) {
        test('a request without credentials is 401; both security schemes accept a key', async () => {
          const ask = () => execute(page, 'GET /orders/{id}/status', { parameters: { id: '20417' } })
          expectStatus(401, await ask())
          for (const scheme of ['apiKey', 'bearer']) {
            await authorize(page, scheme, KEY)
            expectStatus(200, await ask())
            if (scheme === 'apiKey') await logout(page, scheme)
          }
        })
      }

      test('reads an order', async () => {
        const shown = await execute(page, 'GET /orders/{id}', { parameters: { id: '20417' } })
        expectStatus(200, shown)
        assert.equal(shown.url, `${root}/orders/20417`)
        assert.equal(shown.json.id, 20417)
        assert.equal(shown.json.provider.name, 'Ljusbolaget')
      })

      test('lists orders with only a date filled in', async () => {
        const shown = await execute(page, 'GET /orders', { parameters: { since: '2016-11-01' } })
        expectStatus(200, shown)
        assert.ok(shown.json.items.length > 1)
        assert.ok(shown.json.items.every((order) => order.orderedAt >= '2016-11-01'))
      })

      test('changes a status and reads it back', async () => {
        const parameters = { id: '20417' }
        const body = { status: 'received' }
        const changed = await execute(page, 'PATCH /orders/{id}/status', { parameters, body })
        expectStatus(200, changed)
        const read = await execute(page, 'GET /orders/{id}/status', { parameters })
        expectStatus(200, read)
        assert.deepEqual(read.json, body)
      })

      test('adds a message with special characters unchanged', async () => {
        const text = 'Åäö & + % # 100 %'
        const parameters = { id: '20417' }
        const added = await execute(page, 'POST /orders/{id}/messages', { parameters, body: { type: 'alert', text } })
        expectStatus(201, added)
        assert.equal(added.json.text, text)
        const read = await execute(page, 'GET /orders/{id}/messages', { parameters })
        expectStatus(200, read)
        const { type, text: last } = read.json.items.at(-1)
        assert.deepEqual({ type, text: last }, { type: 'alert', text })
      })

      test('a problem type links to its page, which links back', async () => {
        const shown = await execute(page, 'GET /orders/{id}', { parameters: { id: '1' } })
        expectStatus(404, shown)
        assert.equal(shown.json.code, 'order-not-found')
        assert.equal(shown.json.type, `${basePath}/problems/order-not-found`)
        const response = await page.goto(new URL(shown.json.type, page.url()).href)
        assert.equal(response.status(), 200)
        await page.getByRole('heading', { name: 'Order not found' }).waitFor()
        assert.match(await page.locator('body').innerText(), /order-not-found.*404/)
        await page.getByRole('link').click()
        await page.locator('.opblock').first().waitFor()
        assert.equal(page.url(), `${root}/swagger-ui/`)
      })

      // The examples do not depend on the base path, so one suite suffices.
      for (const name of basePath ? [] : OPERATIONS) {
        test(`${name} works with its example values`, async () => {
          expectStatus(name.startsWith('POST') ? 201 : 200, await execute(page, name))
        })
      }

      test('sent no requests to other origins', () => assert.deepEqual(browser.foreignRequests, []))

      test('the browser reported no errors or warnings', () => {
        // The console reports every error response; these two are expected.
        const failed = 'Failed to load resource: the server responded with a status of'
        const expected = [
          `${root}/orders/1: ${failed} 404 (Not Found)`,
          `${root}/orders/20417/status: ${failed} 401 (Unauthorized)`,
        ]
        assert.deepEqual(browser.browserErrors.filter((error) => !expected.includes(error)), [])
      })
    })
  }
})
