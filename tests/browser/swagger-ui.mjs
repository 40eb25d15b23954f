// End-to-end test of Swagger UI and the other documentation pages in Chromium: clicks, keyboard input, and the content shown.
// Run by .ci/browser, which installs the dependencies.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { authorize, execute, logout, open, openBrowser, operationOf } from './browser.mjs'
import { expectAccessible, expectNoSidewaysScrolling, expectStatus } from './browser.mjs'
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

        test('the credential is kept when the page is loaded again', async () => {
          await page.reload()
          expectStatus(200, await execute(page, 'GET /orders/{id}/status', { parameters: { id: '20417' } }))
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
        await page.getByRole('link', { name: 'Swagger UI' }).click()
        await page.locator('.opblock').first().waitFor()
        assert.equal(page.url(), `${root}/swagger-ui/`)
      })

      // The examples do not depend on the base path, so one suite suffices.
      for (const name of basePath ? [] : OPERATIONS) {
        test(`${name} works with its example values`, async () => {
          expectStatus(name.startsWith('POST') ? 201 : 200, await execute(page, name))
        })
      }

      test('an opened operation is short: its errors are folded, and its address opens it again', async () => {
        await page.goto(`${root}/swagger-ui/`)
        const operation = await open(page, 'GET /orders/{id}')
        const { height } = await operation.boundingBox()
        assert.ok(height < 1800, `${height} px`)
        await operation.locator('details.errors > summary').click()
        await operation.locator('details.errors tr.response').first().waitFor()
        await page.reload()
        await operationOf(page, 'GET /orders/{id}').locator('.opblock-body').waitFor()
      })

      test('known values of open enums are choices', async () => {
        await page.goto(`${root}/swagger-ui/`)
        const operation = await open(page, 'GET /orders')
        await operation.locator('tr[data-param-name="type"] select').selectOption('order')
        await operation.locator('tr[data-param-name="status"] select').selectOption(['new', 'received'])
        await operation.getByRole('button', { name: 'Execute' }).click()
        assert.match(await operation.locator('.request-url pre').innerText(), /&status=new&status=received&type=order$/)
        await operation.locator('.opblock-summary-control').click()
      })

      test('nothing shown is without use or unreadable', async () => {
        const phone = await browser.newPhone()
        await phone.emulateMedia({ colorScheme: 'dark' })
        await phone.goto(`${root}/swagger-ui/`)
        const operation = await open(phone, 'GET /orders/{id}')
        // The only server is this one.
        for (const text of ['Servers', 'No links']) {
          assert.deepEqual(await phone.getByText(text, { exact: true }).filter({ visible: true }).all(), [], text)
        }
        await operation.locator('table.headers').first().waitFor()
        const { violations, passes } = await phone.evaluate(() => axe.run('table.headers', { runOnly: ['color-contrast'] }))
        assert.deepEqual([violations, passes.length], [[], 1])
        await phone.context().close()
      })

      test('works on a phone', async () => {
        const phone = await browser.newPhone()
        await phone.goto(`${root}/swagger-ui/`)
        await phone.locator('.opblock').first().waitFor()
        await expectNoSidewaysScrolling(phone)
        if (basePath) await authorize(phone, 'bearer', KEY)
        for (const name of ['GET /orders/{id}', 'GET /orders', 'POST /orders/{id}/messages']) {
          const operation = await open(phone, name)
          await operation.locator('details.errors > summary').click()
          await operation.locator('details.errors tr.response').first().waitFor()
          await expectNoSidewaysScrolling(phone)
          await operation.locator('.opblock-summary-control').click()
          expectStatus(name.startsWith('POST') ? 201 : 200, await execute(phone, name))
          await expectNoSidewaysScrolling(phone)
        }
        await phone.context().close()
      })

      test('guide and problem pages are readable on a phone, light and dark', async () => {
        const phone = await browser.newPhone()
        const backgrounds = new Set()
        for (const path of ['docs/', 'problems/', 'problems/outcome-unknown']) {
          await phone.goto(`${root}/${path}`)
          await phone.getByRole('heading', { level: 1 }).waitFor()
          await expectAccessible(phone)
          for (const colorScheme of ['light', 'dark']) {
            await phone.emulateMedia({ colorScheme })
            backgrounds.add(await phone.evaluate(() => getComputedStyle(document.body).backgroundColor))
          }
        }
        assert.equal(backgrounds.size, 2)
        await phone.context().close()
      })

      test('the guide leads to its sections, to problems and to Swagger UI', async () => {
        await page.goto(`${root}/docs/`)
        const contents = page.getByRole('navigation', { name: 'Contents' })
        await contents.getByRole('link', { name: 'What to do at each problem' }).click()
        assert.ok(page.url().endsWith('#what-to-do-at-each-problem'))
        await page.getByRole('link', { name: 'outcome-unknown' }).first().click()
        await page.getByRole('heading', { name: 'What to do' }).waitFor()
        await page.getByRole('link', { name: 'Swagger UI' }).click()
        await page.locator('.opblock').first().waitFor()
        assert.equal(page.url(), `${root}/swagger-ui/`)
      })

      test('sent no requests to other origins', () => assert.deepEqual(browser.foreignRequests, []))

      test('the browser reported no errors or warnings', () => {
        // The console reports every error response; these two are expected.
        const failed = 'Failed to load resource: the server responded with a status of'
        const expected = [
          `${root}/orders/1: ${failed} 404 (Not Found)`,
          `${root}/orders/20417/status: ${failed} 401 (Unauthorized)`,
        ]
        // Swagger UI's own, about the `_` in an operation id when the address has one.
        const isOfDeepLink = (error) => error.includes('escaping deep link whitespace with `_`')
        const unexpected = browser.browserErrors.filter((error) => !expected.includes(error) && !isOfDeepLink(error))
        assert.deepEqual(unexpected, [])
      })
    })
  }
})
