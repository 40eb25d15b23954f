// Swagger UI as a person uses it: a real browser, clicks and keys, and what is then to be seen.
// Run by .ci/browser, which says what it needs.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { chromium } from 'playwright-core'

import { demo, serve } from './gateway.mjs'

const OPERATIONS = [
  'GET /orders',
  'GET /orders/{id}',
  'GET /orders/{id}/messages',
  'POST /orders/{id}/messages',
  'GET /orders/{id}/status',
  'PATCH /orders/{id}/status',
  'GET /customers',
  'GET /customers/{id}',
]

const KEY = 'tg_a-key-for-the-browser'

/** A browser with one page, which writes down what must not happen. */
async function openBrowser(origin) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      // Root, as in a container, cannot have the sandbox; the only pages opened are the gateway's own.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // A page that needs another host shall fail here too, not only where there is no internet.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  })
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(20_000)
  const foreign = []
  const complaints = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.origin !== origin && url.protocol !== 'data:') foreign.push(request.url())
  })
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText
    // Whoever follows a link gives up what the page before still wanted.
    if (reason !== 'net::ERR_ABORTED') complaints.push(`${request.url()}: ${reason}`)
  })
  page.on('pageerror', (error) => complaints.push(`page: ${error.stack ?? error}`))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.location().url}: ${message.text()}`)
  })
  return { page, foreign, complaints, close: () => browser.close() }
}

/** Opens an operation, unless it is open. */
async function open(page, name) {
  const [method, path] = name.split(' ')
  const operation = page
    .locator(`.opblock-${method.toLowerCase()}`)
    .filter({ has: page.locator(`.opblock-summary-path[data-path="${path}"]`) })
  const content = operation.locator('.opblock-body')
  if (!(await content.isVisible())) await operation.locator('.opblock-summary-control').click()
  await content.waitFor()
  // An operation that was tried before still has its form.
  const tryItOut = operation.getByRole('button', { name: 'Try it out' })
  await tryItOut.or(operation.getByRole('button', { name: 'Cancel' })).first().waitFor()
  if (await tryItOut.isVisible()) await tryItOut.click()
  return operation
}

/** Fills in what is given, leaves the rest as the page proposes it, executes, and reads what the page shows. */
async function execute(page, name, { parameters = {}, body } = {}) {
  const operation = await open(page, name)
  for (const [parameter, value] of Object.entries(parameters)) {
    await operation.locator(`tr[data-param-name="${parameter}"] input`).fill(value)
  }
  if (body) await operation.locator('.body-param textarea').fill(JSON.stringify(body))
  // The answer of an earlier execution must not be taken for this one's.
  const clear = operation.getByRole('button', { name: 'Clear' })
  if (await clear.isVisible()) await clear.click()
  const answer = operation.locator('.live-responses-table')
  await answer.waitFor({ state: 'detached' })
  await operation.getByRole('button', { name: 'Execute' }).click()
  await answer.waitFor()
  const shown = answer.locator('tbody tr.response').first()
  const read = {
    // A status that the document does not know would say so here.
    status: (await shown.locator('.response-col_status').innerText()).trim(),
    url: (await operation.locator('.request-url pre').innerText()).trim(),
    json: JSON.parse(await shown.locator('.highlight-code pre').first().innerText()),
  }
  // Every open operation makes the page slower.
  await operation.locator('.opblock-summary-control').click()
  return read
}

/** Gives the page a credential, by the name of its security scheme. */
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

// Each has programs and a browser of its own; the time goes into drawing.
describe('Swagger UI', { concurrency: 2 }, () => {
  for (const [where, basePath, gateway] of [
    ['at the root', '', demo],
    ['below a base path, with keys', '/api/tg', () => serve('/api/tg', KEY)],
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

      test('is where the gateway leads to, and lists all operations', async () => {
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
        test('without a credential nothing is shown, and with a key in either way', async () => {
          const ask = () => execute(page, 'GET /orders/{id}/status', { parameters: { id: '20417' } })
          expectStatus(401, await ask())
          for (const scheme of ['apiKey', 'bearer']) {
            await authorize(page, scheme, KEY)
            expectStatus(200, await ask())
            if (scheme === 'apiKey') await logout(page, scheme)
          }
        })
      }

      test('an order is shown', async () => {
        const shown = await execute(page, 'GET /orders/{id}', { parameters: { id: '20417' } })
        expectStatus(200, shown)
        assert.equal(shown.url, `${root}/orders/20417`)
        assert.equal(shown.json.id, 20417)
        assert.equal(shown.json.provider.name, 'Ljusbolaget')
      })

      test('orders are listed when only a date is filled in', async () => {
        const shown = await execute(page, 'GET /orders', { parameters: { since: '2016-11-01' } })
        expectStatus(200, shown)
        assert.ok(shown.json.items.length > 1)
        assert.ok(shown.json.items.every((order) => order.orderedAt >= '2016-11-01'))
      })

      test('a changed status is read back', async () => {
        const parameters = { id: '20417' }
        const body = { status: 'received' }
        const changed = await execute(page, 'PATCH /orders/{id}/status', { parameters, body })
        expectStatus(200, changed)
        const read = await execute(page, 'GET /orders/{id}/status', { parameters })
        expectStatus(200, read)
        assert.deepEqual(read.json, body)
      })

      test('a message arrives as it was typed', async () => {
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

      test('a problem leads to a page about it, and back', async () => {
        const shown = await execute(page, 'GET /orders/{id}', { parameters: { id: '1' } })
        expectStatus(404, shown)
        assert.equal(shown.json.code, 'order-not-found')
        assert.equal(shown.json.type, `${basePath}/problems/order-not-found`)
        const answer = await page.goto(new URL(shown.json.type, page.url()).href)
        assert.equal(answer.status(), 200)
        await page.getByRole('heading', { name: 'No such order' }).waitFor()
        assert.match(await page.locator('body').innerText(), /order-not-found.*404/)
        await page.getByRole('link').click()
        await page.locator('.opblock').first().waitFor()
        assert.equal(page.url(), `${root}/swagger-ui/`)
      })

      // What a page proposes does not depend on where it is.
      for (const name of basePath ? [] : OPERATIONS) {
        test(`${name} works with the values that it proposes`, async () => {
          expectStatus(name.startsWith('POST') ? 201 : 200, await execute(page, name))
        })
      }

      test('nothing came from another host', () => assert.deepEqual(browser.foreign, []))

      test('the browser had nothing to complain about', () => {
        // It mentions every answer that is an error; these were meant to be.
        const failed = 'Failed to load resource: the server responded with a status of'
        const meant = [
          `${root}/orders/1: ${failed} 404 (Not Found)`,
          `${root}/orders/20417/status: ${failed} 401 (Unauthorized)`,
        ]
        assert.deepEqual(browser.complaints.filter((complaint) => !meant.includes(complaint)), [])
      })
    })
  }
})
