// End-to-end test of the back-office page in Chromium: with the keyboard alone, as wide as a phone and as a desktop, in both
// color schemes. Run by .ci/browser, which installs the dependencies.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { expectAccessible, openBrowser, serveBuiltPage } from './browser.mjs'
import { demo, serve } from './gateway.mjs'

/** Moves the focus with the Tab key to an element, and checks that it shows there. */
async function tabTo(page, role, name) {
  const target = page.getByRole(role, { name, exact: true })
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab')
    if (await target.evaluate((element) => element === document.activeElement)) {
      const outline = await target.evaluate((element) => getComputedStyle(element).outlineStyle)
      assert.notEqual(outline, 'none', `the focus on ${role} ${name} is not visible`)
      return
    }
  }
  assert.fail(`${role} ${name} cannot be reached with Tab`)
}

async function press(page, role, name, key = 'Enter') {
  await tabTo(page, role, name)
  await page.keyboard.press(key)
}

/** Chooses an option as it is done with the keyboard: by the beginning of its text. */
async function choose(page, name, option) {
  await tabTo(page, 'combobox', name)
  await page.keyboard.type(option.slice(0, 4))
}

async function shows(page, role, text) {
  await page.getByRole(role).filter({ hasText: text }).first().waitFor()
}

async function expectFocus(page, text) {
  await page.locator(':focus').filter({ hasText: text }).waitFor()
}

async function openPage(origin, url, width) {
  const browser = await openBrowser(origin, {
    viewport: { width, height: 800 },
    locale: 'sv-SE',
    timezoneId: 'America/New_York',
  })
  await browser.page.clock.install()
  await browser.page.goto(url)
  return browser
}

async function api(origin, method, path, body) {
  const init = { method, headers: { 'Content-Type': 'application/json' }, ...(body && { body: JSON.stringify(body) }) }
  const response = await fetch(`${origin}${path}`, init)
  assert.ok(response.ok, `${method} ${path}: ${response.status}`)
  return response.json()
}

/** A problem that the demo does not have. */
function problem(status, code, members = {}, headers = {}) {
  const texts = { type: `/problems/${code}`, title: code, detail: code, instance: '/' }
  const body = JSON.stringify({ ...texts, status, code, requestId: `request-${status}`, ...members })
  return { status, headers: { ...headers, 'Content-Type': 'application/problem+json' }, body }
}

const OUTCOME_UNKNOWN = problem(504, 'outcome-unknown', { outcome: 'unknown' }, { 'Retry-After': '30' })
const UNAUTHENTICATED = problem(401, 'unauthenticated')

for (const width of [390, 1280]) {
  describe(`back office, ${width} px wide`, { concurrency: 1, timeout: 180_000 }, () => {
    let running, browser, page, origin

    before(async () => {
      running = await demo()
      origin = running.origin
      browser = await openPage(origin, `${origin}/example/`, width)
      page = browser.page
    })

    after(async () => {
      await browser?.close()
      await running?.stop()
    })

    test('lists orders by date and status, page by page', async () => {
      await expectFocus(page, 'Ordrar')
      await tabTo(page, 'textbox', 'Beställda från och med')
      // Month, day, year: the order of the browser's own language, which openBrowser sets.
      await page.keyboard.type('03142016')
      await press(page, 'checkbox', 'Väntar', 'Space')
      await press(page, 'checkbox', 'Avbruten', 'Space')
      await press(page, 'button', 'Visa')
      await expectFocus(page, 'Träffar')
      await shows(page, 'status', '25 ordrar på sidan. Det finns fler.')
      const first = page.getByRole('row').nth(1)
      assert.equal(await first.getByRole('link').innerText(), '20420')
      assert.match(await first.innerText(), /2016-03-16 00:56/, 'by the clock of the upstream, not by that of the browser')
      await expectAccessible(page)

      await press(page, 'link', 'Nästa sida')
      await shows(page, 'link', 'Första sidan')
      await expectFocus(page, 'Träffar')
      assert.ok(Number(await page.getByRole('row').nth(1).getByRole('link').innerText()) > 20420 + 100)

      await page.goBack()
      await shows(page, 'link', '20420')
    })

    test('shows an order with its log', async () => {
      await press(page, 'link', '20420')
      await expectFocus(page, 'Order 20420')
      await shows(page, 'listitem', 'Väntar på fastighetsägaren')
      await page.getByText('20990404-0003').or(page.getByText('XXXXXXXXXX')).first().waitFor()
      await expectAccessible(page)
    })

    test('after 412 shows what has changed, and the user decides', async () => {
      await api(origin, 'PATCH', '/orders/20420/status', { status: 'active' })
      await choose(page, 'Ny status', 'Levererad')
      await press(page, 'button', 'Ändra status')
      await expectFocus(page, 'Ordern har ändrats sedan du läste den')
      const conflict = page.locator('.notice.bad')
      const terms = await conflict.locator('dd').allInnerTexts()
      assert.deepEqual(terms, ['Väntar', 'Aktiv', 'Levererad'])
      await conflict.getByText('Status changed to active').waitFor()
      await expectAccessible(page)
      assert.equal((await api(origin, 'GET', '/orders/20420/status')).status, 'active')

      await press(page, 'button', 'Ändra ändå till Levererad')
      await shows(page, 'status', 'Statusen är ändrad till Levererad.')
      assert.equal((await api(origin, 'GET', '/orders/20420/status')).status, 'delivered')
    })

    test('a status change with an unknown outcome says what to do', async () => {
      await page.route('**/orders/20420/status', (route) => route.fulfill(OUTCOME_UNKNOWN), { times: 1 })
      await choose(page, 'Ny status', 'Avbruten')
      await press(page, 'button', 'Ändra status')
      await shows(page, 'alert', 'Vänta 30 sekunder, läs ordern igen och avgör sedan.')
      await page.getByText('request-504').waitFor()
      await expectAccessible(page)
      await press(page, 'button', 'Läs ordern igen')
      await expectFocus(page, 'Ändra status')
      await page.getByRole('alert').waitFor({ state: 'detached' })

      // Without an answer the time is that of `GET /me`.
      await page.route('**/orders/20420/status', (route) => route.abort(), { times: 1 })
      await press(page, 'button', 'Ändra status')
      await shows(page, 'alert', 'Inget svar kom fram')
      await shows(page, 'alert', 'Vänta 35 sekunder, läs ordern igen och avgör sedan.')
      await press(page, 'button', 'Läs ordern igen')
      await page.getByRole('alert').waitFor({ state: 'detached' })
    })

    test('a change that met another one says so', async () => {
      const contested = { status: 200, json: { status: 'delivered', contested: true } }
      await page.route('**/orders/20420/status', (route) => route.fulfill(contested), { times: 1 })
      await press(page, 'button', 'Ändra status')
      await shows(page, 'status', 'Någon annan ändrade ordern i samma ögonblick')
    })

    test('a message that is refused stays in the form', async () => {
      await tabTo(page, 'textbox', 'Meddelande')
      await page.keyboard.type(' ')
      await press(page, 'button', 'Skicka')
      await shows(page, 'alert', 'Ingenting ändrades')
      await shows(page, 'listitem', '/text')
      await expectAccessible(page)
      assert.equal(await page.evaluate(() => sessionStorage.length), 0)
      await page.reload()
      await expectFocus(page, 'Order 20420')
    })

    test('a message whose answer is lost arrives once, even after a reload', async () => {
      const keys = []
      page.on('request', (request) => request.method() === 'POST' && keys.push(request.headers()['idempotency-key']))
      const loseAnswer = async (route) => {
        await route.fetch()
        await route.abort()
      }
      await page.route('**/orders/20420/messages', loseAnswer, { times: 1 })
      await tabTo(page, 'textbox', 'Meddelande')
      await page.keyboard.type('Kunden nås bäst efter kl. 16')
      await press(page, 'button', 'Skicka')
      await shows(page, 'alert', 'Inget svar kom fram')
      await shows(page, 'timer', 'Skickas igen om')
      await expectAccessible(page)

      await page.reload()
      await shows(page, 'timer', 'Skickas igen om')
      await page.clock.fastForward(36_000)
      await shows(page, 'status', 'Meddelandet hade redan kommit fram och lades inte till igen. Det finns en gång i loggen.')
      assert.equal(keys.length, 2)
      assert.equal(keys[0], keys[1])
      const { items } = await api(origin, 'GET', '/orders/20420/messages')
      assert.equal(items.filter(({ text }) => text === 'Kunden nås bäst efter kl. 16').length, 1)
      await expectAccessible(page)
    })

    test('a message with an unknown outcome is sent again when the gateway says so', async () => {
      await page.route('**/orders/20420/messages', (route) => route.fulfill(OUTCOME_UNKNOWN), { times: 1 })
      await tabTo(page, 'textbox', 'Meddelande')
      await page.keyboard.type('Tekniker bokad')
      await press(page, 'button', 'Skicka')
      await shows(page, 'alert', 'Meddelandet kan ha kommit fram')
      await expectAccessible(page)
      await page.clock.fastForward(36_000)
      await shows(page, 'status', 'Meddelandet är tillagt. Det finns en gång i loggen.')
    })

    test('a message that was not accepted stays in the form, also after signing in again', async () => {
      for (const path of ['**/orders/20420/messages', '**/me']) {
        await page.route(path, (route) => route.fulfill(UNAUTHENTICATED), { times: 1 })
      }
      await tabTo(page, 'textbox', 'Meddelande')
      await page.keyboard.type('Nyckeln finns hos grannen')
      await press(page, 'button', 'Skicka')
      await expectFocus(page, 'Logga in')
      await tabTo(page, 'textbox', 'API-nyckel')
      await page.keyboard.type('tg_the-demo-accepts-any')
      await page.keyboard.press('Enter')
      await expectFocus(page, 'Order 20420')
      await tabTo(page, 'textbox', 'Meddelande')
      assert.equal(await page.locator(':focus').inputValue(), 'Nyckeln finns hos grannen')
    })

    test('an error is shown with its request id', async () => {
      const answered = page.waitForResponse('**/orders/1')
      await page.goto(`${origin}/example/#/orders/1`)
      const requestId = (await answered).headers()['x-request-id']
      await shows(page, 'alert', 'Order not found')
      await page.getByText(requestId).waitFor()
      await expectAccessible(page)
    })

    test('sent no requests to other origins', () => assert.deepEqual(browser.foreignRequests, []))

    test('the browser reported no other errors than the expected ones', () => {
      const expected = /status of (401|404|412|422|504)|(messages|status): (net::ERR_FAILED|Failed to load resource: net::ERR_FAILED)/
      assert.deepEqual(
        browser.browserErrors.filter((error) => !expected.test(error)),
        [],
      )
    })
  })
}

describe(
  'back office, below a base path, with a key that may not read personal data',
  { concurrency: 1, timeout: 180_000 },
  () => {
    const KEY = 'tg_a-key-for-the-back-office'
    let running, browser, page, root

    before(async () => {
      const scopes = 'orders:read'
      running = await serve('/api/tg', KEY, { GATEWAY__AUTH__CLIENTS__BROWSER__SCOPES: scopes })
      root = `${running.origin}/api/tg`
      browser = await openBrowser(running.origin, { viewport: { width: 390, height: 800 } })
      page = browser.page
      // `serve` does not have the page: here it stands for another server on the same host.
      await serveBuiltPage(page, root)
      await page.goto(`${root}/example/#/?since=2016-03-14`)
    })

    after(async () => {
      await browser?.close()
      await running?.stop()
    })

    test('asks for the key, and says when it is wrong', async () => {
      await expectFocus(page, 'Logga in')
      await expectAccessible(page)
      await tabTo(page, 'textbox', 'API-nyckel')
      await page.keyboard.type('tg_copied\u200b')
      await press(page, 'button', 'Logga in')
      await page.locator('input:invalid:focus').waitFor()
      assert.equal(await page.evaluate(() => sessionStorage.length), 0)
      await page.keyboard.press('Control+a')
      await page.keyboard.type('tg_wrong')
      await press(page, 'button', 'Logga in')
      await shows(page, 'alert', 'Nyckeln godtogs inte')
      await expectAccessible(page)
      await tabTo(page, 'textbox', 'API-nyckel')
      await page.keyboard.press('Control+a')
      await page.keyboard.type(KEY)
      await page.keyboard.press('Enter')
      await shows(page, 'status', '25 ordrar på sidan')
    })

    test('shows what is masked as masked', async () => {
      await press(page, 'link', '20417')
      const rows = page.locator('dl > div')
      const value = (name) =>
        rows
          .filter({ has: page.getByText(name, { exact: true }) })
          .locator('dd')
          .innerText()
      await expectFocus(page, 'Order 20417')
      await page.getByText('19121212-****').first().waitFor()
      assert.match(await value('Personnummer'), /^19121212-\*{4} maskerat$/)
      assert.equal(await value('E-post'), 'dolt eller okänt')
      assert.equal(await value('Namn'), 'Tolvan Tolvansson')
      await page.getByText('Personuppgifter är dolda eller maskerade').waitFor()
      assert.doesNotMatch(await page.locator('body').innerText(), /191212121212|@example/)
      await expectAccessible(page)
    })

    test('offers no change that the key does not permit', async () => {
      await page.getByText('får läsa ordrar men inte ändra dem').waitFor()
      assert.equal(await page.getByRole('button', { name: 'Ändra status' }).count(), 0)
    })

    test('keeps the key over a reload and not beyond signing out', async () => {
      await page.reload()
      await expectFocus(page, 'Order 20417')
      await press(page, 'button', 'Logga ut')
      await expectFocus(page, 'Logga in')
      assert.equal(await page.evaluate(() => sessionStorage.length), 0)
    })
  },
)
